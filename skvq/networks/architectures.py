"""Encoders and decoders. Each family is one function, with one entry in :data:`ARCHITECTURES`.

An architecture is any callable ``(input_shape, *, embedding_dim, downsampling, hidden_channels,
n_residual_blocks) -> (encoder, decoder)`` that returns two Keras models. The encoder maps standardised images
``(n, *input_shape)`` to latents ``(n, *code_shape, embedding_dim)``, and the decoder maps latents to images. Height and
width are multiples of ``downsampling``.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers


def conv(
    input_shape: tuple[int, int, int],
    *,
    embedding_dim: int,
    downsampling: int,
    hidden_channels: int,
    n_residual_blocks: int,
) -> tuple[keras.Model, keras.Model]:
    """Strided convolutions with residual blocks, and a decoder with the same layers in reverse order.

    ``hidden_channels`` is the number of channels at the resolution of the codes. It is halved each time height and
    width double, down to 8. With the same number everywhere, the largest maps would take most of the time and improve
    the result least.

    Input shape
    -----------
    ``(n, height, width, channels)``, height and width multiples of ``downsampling``.

    Output shape
    ------------
    ``(n, height / downsampling, width / downsampling, embedding_dim)``.
    """
    n_halvings = int(math.log2(downsampling))
    widths = [max(min(hidden_channels, 8), hidden_channels // 2**i) for i in reversed(range(n_halvings))]
    images = layers.Input(input_shape, name="images")
    x = images if n_halvings else layers.Conv2D(hidden_channels, 3, padding="same", activation="relu")(images)
    for width in widths:
        x = layers.Conv2D(width, 4, strides=2, padding="same", activation="relu")(x)
    x = _residual_stack(x, hidden_channels, n_residual_blocks)
    latents = layers.Conv2D(embedding_dim, 1, name="latents")(x)
    encoder = keras.Model(images, latents, name="encoder")

    embeddings = layers.Input(latents.shape[1:], name="embeddings")
    x = layers.Conv2D(hidden_channels, 3, padding="same")(embeddings)
    x = _residual_stack(x, hidden_channels, n_residual_blocks)
    for width in widths[-2::-1]:
        x = layers.Conv2DTranspose(width, 4, strides=2, padding="same", activation="relu")(x)
    if n_halvings:
        x = layers.Conv2DTranspose(input_shape[-1], 4, strides=2, padding="same", name="pixels")(x)
    else:
        x = layers.Conv2D(input_shape[-1], 3, padding="same", name="pixels")(x)
    return encoder, keras.Model(embeddings, x, name="decoder")


def _residual_stack(x, channels: int, n_blocks: int):
    for _ in range(n_blocks):
        residual = layers.ReLU()(x)
        residual = layers.Conv2D(channels, 3, padding="same", activation="relu")(residual)
        residual = layers.Conv2D(channels, 1)(residual)
        x = layers.Add()([x, residual])
    return layers.ReLU()(x)


def dense(
    input_shape: tuple[int],
    *,
    embedding_dim: int,
    downsampling: int,
    hidden_channels: int,
    n_residual_blocks: int,
) -> tuple[keras.Model, keras.Model]:
    """Fully connected layers for vectors, with one code for each ``downsampling`` features.

    Input shape
    -----------
    ``(n, n_features)``.

    Output shape
    ------------
    ``(n, ceil(n_features / downsampling), embedding_dim)``.
    """
    n_features = math.prod(input_shape)
    n_codes = math.ceil(n_features / downsampling)
    vectors = layers.Input(input_shape, name="images")
    x = layers.Flatten()(vectors) if len(input_shape) > 1 else vectors
    x = layers.Dense(hidden_channels)(x)
    x = _dense_residual_stack(x, hidden_channels, n_residual_blocks)
    x = layers.Dense(n_codes * embedding_dim)(x)
    latents = layers.Reshape((n_codes, embedding_dim), name="latents")(x)
    encoder = keras.Model(vectors, latents, name="encoder")

    embeddings = layers.Input((n_codes, embedding_dim), name="embeddings")
    x = layers.Dense(hidden_channels)(layers.Flatten()(embeddings))
    x = _dense_residual_stack(x, hidden_channels, n_residual_blocks)
    x = layers.Dense(n_features)(x)
    x = layers.Reshape(input_shape, name="pixels")(x)
    return encoder, keras.Model(embeddings, x, name="decoder")


def _dense_residual_stack(x, channels: int, n_blocks: int):
    for _ in range(n_blocks):
        residual = layers.ReLU()(x)
        residual = layers.Dense(channels, activation="relu")(residual)
        residual = layers.Dense(channels)(residual)
        x = layers.Add()([x, residual])
    return layers.ReLU()(x)


ARCHITECTURES: dict[str, Callable[..., Any]] = {"conv": conv, "dense": dense}
