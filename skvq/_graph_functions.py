"""The functions that the estimators offer to an exporter, made from their networks."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from skvq._graph import GraphFunction, TensorSpec
from skvq._images import Layout
from skvq.networks import ops
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.pixelcnn import PixelCNN
from skvq.networks.sampling import Choice, boundary_distance, sample


def prior_graphs(network: PixelCNN, n_classes: int, logits_of: Callable) -> dict[str, GraphFunction]:
    """Return ``prior``, ``log_likelihood`` and ``sampler``.

    Parameters
    ----------
    network : PixelCNN
    n_classes : int
        0 for a prior without classes.
    logits_of : callable
        ``logits_of(codes, *labels)`` on NumPy arrays, which judges samples.
    """
    n_positions, n_embeddings = network.n_positions, network.n_embeddings
    place = f"row-major over {network.code_shape}"
    codes = TensorSpec("codes", (None, n_positions), "int64", f"codes in [0, {n_embeddings}), {place}")
    shape = (None, n_positions, n_embeddings)
    logits = TensorSpec("logits", shape, "float32", "unnormalised log-probabilities, in nats")
    log_likelihood = TensorSpec("log_likelihood", (None,), "float32", "log-probability of a row, in nats")
    meaning = "independent uniform numbers in [0, 1), one for each code"
    uniforms = TensorSpec("uniforms", (None, n_positions), "float32", meaning)
    temperature = TensorSpec("temperature", (), "float32", "> 0; 1 is the density itself, below 1 is safer")
    labels = (TensorSpec("labels", (None,), "int64", f"index into the {n_classes} classes"),) if n_classes else ()

    def example_labels(n, generator):
        return (generator.integers(0, n_classes, n),) if n_classes else ()

    def example_codes(n, generator):
        return (generator.integers(0, n_embeddings, (n, n_positions)), *example_labels(n, generator))

    def example_uniforms(n, generator):
        drawn = generator.random((n, n_positions), dtype=np.float32)
        return (drawn, np.array(1.0, np.float32), *example_labels(n, generator))

    def log_likelihoods(*inputs):
        return (ops.sum(network.log_probabilities(*inputs), axis=-1),)

    def draw(uniforms, temperature, *labels):
        return (ops.cast(sample(network, uniforms, Choice(temperature), *labels), "int64"),)

    def margin(inputs, drawn):
        uniforms, temperature, *given = inputs
        distance = boundary_distance(logits_of(drawn, *given), uniforms, drawn, Choice(float(temperature)))
        return distance / 2e-5  # what float32 blurs of a probability, summed over K codes

    def all_logits(*inputs):
        return (network.logits(*inputs),)

    draws_from = (uniforms, temperature, *labels)
    return {
        "prior": GraphFunction("prior", all_logits, (codes, *labels), (logits,), example_codes),
        "log_likelihood": GraphFunction(
            "log_likelihood", log_likelihoods, (codes, *labels), (log_likelihood,), example_codes
        ),
        "sampler": GraphFunction("sampler", draw, draws_from, (codes,), example_uniforms, margin),
    }


def vqvae_graphs(network: Autoencoder, layout: Layout, latents_of: Callable) -> dict[str, GraphFunction]:
    """Return ``encoder``, ``decoder`` and ``reconstruct``.

    Parameters
    ----------
    network : Autoencoder
    layout : Layout
        Of the images that the network was fitted to.
    latents_of : callable
        ``latents_of(images)`` on NumPy arrays, (n, *code_shape, embedding_dim), which judges codes.
    """
    low, high = network.values.minimum, network.values.maximum
    n_embeddings = network.quantizer.n_embeddings
    kind = "vectors" if layout.is_vector else "images, channels last"
    meaning = f"{kind}, in the units of the training data, [{low:g}, {high:g}]"
    images = TensorSpec("images", (None, *layout.image_shape), "float32", meaning)
    place = f"row-major over {network.code_shape}"
    codes = TensorSpec("codes", (None, network.n_positions), "int64", f"codes in [0, {n_embeddings}), {place}")

    def example_images(n, generator):
        # Smooth pictures in the data's range: their codes are those of use, not of noise.
        values = generator.random((n, *layout.image_shape), dtype=np.float32)
        for axis in range(1, 1 + min(2, len(layout.image_shape))):
            for _ in range(2):
                values = (values + np.roll(values, 1, axis) + np.roll(values, -1, axis)) / 3
        return (np.clip(2 * values - 0.5, 0, 1) * np.float32(high - low) + np.float32(low),)

    def example_codes(n, generator):
        return (generator.integers(0, n_embeddings, (n, network.n_positions)),)

    def encode(images):
        return (ops.cast(network.encode(images), "int64"),)

    def margin(inputs, answered):
        table = ops.convert_to_numpy(network.quantizer.codebook)
        return code_margin(latents_of(inputs[0]).reshape(*answered.shape, -1), table, answered)

    return {
        "encoder": GraphFunction("encoder", encode, (images,), (codes,), example_images, margin),
        "decoder": GraphFunction("decoder", lambda c: (network.decode(c),), (codes,), (images,), example_codes),
        "reconstruct": GraphFunction(
            "reconstruct",
            lambda x: (network.reconstruct(x),),
            (images,),
            (replace(images, name="reconstructions"),),
            example_images,
        ),
    }


def code_margin(latents: np.ndarray, codebook: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """How much farther than the nearest embedding each code's embedding is, in units of float32's blur.

    Parameters
    ----------
    latents : ndarray of shape (..., embedding_dim)
    codebook : ndarray of shape (n_embeddings, embedding_dim)
    codes : ndarray of shape (...)
    """
    latents, codebook = latents.astype(np.float64), codebook.astype(np.float64)
    half_norms = 0.5 * np.square(codebook).sum(axis=-1)
    scores = latents @ codebook.T - half_norms  # (..., K)
    chosen = np.take_along_axis(scores, codes[..., None].astype(np.int64), axis=-1)[..., 0]
    size = np.abs(latents) @ np.abs(codebook).max(axis=0) + half_norms.max()
    return (scores.max(axis=-1) - chosen) / (1e-5 * size + 1e-30)
