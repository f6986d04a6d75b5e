"""A judge of digits: a small convolutional network that has seen real digits alone.

Two pairs of 3×3 convolutions (32, then 64 channels), each followed by max pooling, and a dense layer of 128 units,
whose activations are the features that distances between sets of images are measured in.
"""

import keras
import numpy as np
from keras import layers

BATCH_SIZE = 128


class DigitClassifier:
    """The network, trained on images in [0, 255].

    Parameters
    ----------
    image_shape : tuple of int
        (height, width)
    n_classes : int
    seed : int
    """

    def __init__(self, image_shape: tuple[int, int], n_classes: int, seed: int):
        keras.utils.set_random_seed(seed)
        images = keras.Input((*image_shape, 1))
        x = layers.Rescaling(1 / 255)(images)
        for channels in (32, 64):
            x = layers.Conv2D(channels, 3, activation="relu")(x)
            x = layers.Conv2D(channels, 3, activation="relu")(x)
            x = layers.MaxPooling2D(2)(x)
            x = layers.Dropout(0.25)(x)
        features = layers.Dense(128, activation="relu")(layers.Flatten()(x))
        logits = layers.Dense(n_classes)(layers.Dropout(0.5)(features))
        self.network = keras.Model(images, logits)
        self.outputs = keras.Model(images, [logits, features])

    def fit(self, X: np.ndarray, y: np.ndarray, n_epochs: int) -> "DigitClassifier":
        """Train with Adam, its rate falling along a cosine."""
        n_steps = n_epochs * -(-len(X) // BATCH_SIZE)
        rate = keras.optimizers.schedules.CosineDecay(2e-3, n_steps)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.network.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
        self.network.fit(X[..., None].astype(np.float32), y, epochs=n_epochs, batch_size=BATCH_SIZE, verbose=0)
        return self

    def read(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each image's class (n,) and features (n, 128)."""
        logits, features = self.outputs.predict(X[..., None].astype(np.float32), batch_size=500, verbose=0)
        return logits.argmax(axis=1), features.astype(np.float64)
