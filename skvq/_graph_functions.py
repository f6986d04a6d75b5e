"""The functions that the estimators offer to an exporter, made from their networks.

The docstring of each part draws its graph: inputs with dtype and shape, the operators of ONNX that matter, outputs.
It goes into the ONNX file as the graph's own description.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from skvq._contract.graph import GraphFunction, TensorSpec
from skvq._contract.images import Layout
from skvq._contract.sampling import SamplingOptions
from skvq.networks import ops
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.certificate import boundary_distance, is_undecided
from skvq.networks.priors import PriorNetwork
from skvq.networks.sampling import sample

FLOAT32_TOLERANCE = 2e-5  # of a probability, summed over K codes


def prior_graphs(network: PriorNetwork, n_classes: int, logits_of: Callable) -> dict[str, GraphFunction]:
    """Return ``prior``, ``log_likelihood``, ``sampler`` and ``controlled_sampler``.

    The latter sorts the weights at each position, which takes onnxruntime a third more time at 7 × 7 codes of 128
    kinds and batch 64: that is why it is a part of its own.

    Parameters
    ----------
    network : PriorNetwork
    n_classes : int
        0 for a prior without classes.
    logits_of : callable
        ``logits_of(codes, *labels)`` on NumPy arrays, which judges samples.
    """
    n_positions, n_embeddings = network.n_positions, network.n_embeddings
    place = f"row-major over {network.code_shape}"
    codes = TensorSpec("codes", "codes", (None, n_positions), "int64", f"codes in [0, {n_embeddings}), {place}")
    shape = (None, n_positions, n_embeddings)
    logits = TensorSpec("logits", "logits", shape, "float32", "unnormalised log-probabilities, in nats")
    log_likelihood = TensorSpec(
        "log_likelihood", "log_likelihood", (None,), "float32", "log-probability of a row, in nats"
    )
    labels = (
        (TensorSpec("labels", "labels", (None,), "int64", f"index into the {n_classes} classes"),) if n_classes else ()
    )
    draws_from = (
        TensorSpec(
            "uniforms", "uniforms", (None, n_positions), "float32", "independent numbers in [0, 1), one for each code"
        ),
        TensorSpec("temperature", "temperature", (), "float32", "> 0; 1 is the density itself, below 1 is safer"),
    )
    controls = (
        TensorSpec("top_k", "top_k", (), "int64", f"draw from that many likeliest codes; 0 or {n_embeddings} for all"),
        TensorSpec(
            "top_p", "top_p", (), "float32", "in (0, 1]: draw from the likeliest codes that reach it; 1 for all"
        ),
        TensorSpec(
            "known_codes",
            "known_codes",
            (None, n_positions),
            "int64",
            f"codes to keep, {place}; -1 where one is to be drawn",
        ),
    )

    def example_labels(n, generator):
        return (generator.integers(0, n_classes, n),) if n_classes else ()

    def example_codes(n, generator):
        return (generator.integers(0, n_embeddings, (n, n_positions)), *example_labels(n, generator))

    def example_draw(n, generator):
        drawn = generator.random((n, n_positions), dtype=np.float32)
        return (drawn, np.array(1.0, np.float32), *example_labels(n, generator))

    def example_controlled(n, generator):
        # Sizes take turns in what they leave out, so that three in a row meet every way of drawing.
        top_k = 1 + n_embeddings // 2 if n % 3 == 1 else 0
        top_p = 0.9 if n % 3 == 2 else 1.0
        known = generator.integers(0, n_embeddings, (n, n_positions))
        known[::2] = -1  # every second row is new
        known[:, n_positions // 2 :] = -1
        uniforms, temperature, *given = example_draw(n, generator)
        return (uniforms, temperature, np.array(top_k), np.array(top_p, np.float32), known, *given)

    def all_logits(*inputs):
        """Logits of every code given those before it."""
        return (network.logits(*inputs),)

    def log_likelihoods(*inputs):
        """The log-probability of whole rows.

        codes int64 (batch, positions)      labels int64 (batch,), if conditional
           |         |                             |
           |      the part prior ------------------+
           |         |
         OneHot   LogSoftmax
           |         |
           Mul, ReduceSum over codes, ReduceSum over positions
               |
        log_likelihood float32 (batch,)
        """
        return (ops.sum(network.log_probabilities(*inputs), axis=-1),)

    def draw(uniforms, temperature, *labels):
        """Codes by the inverse of their cumulative distribution, each drawn given those before it."""
        return (ops.cast(sample(network, uniforms, SamplingOptions(temperature), *labels), "int64"),)

    def draw_controlled(uniforms, temperature, top_k, top_p, known_codes, *labels):
        """Codes as the part sampler draws them, from the likeliest only and around those that are known."""
        top_k = ops.cast(top_k, "int32")
        options = SamplingOptions(temperature, ops.where(top_k > 0, top_k, n_embeddings), top_p)
        drawn = sample(network, uniforms, options, labels[0] if labels else None, known_codes)
        return (ops.cast(drawn, "int64"),)

    def margin(inputs, drawn):
        uniforms, temperature, *given = inputs
        distance = boundary_distance(logits_of(drawn, *given), uniforms, drawn, SamplingOptions(float(temperature)))
        return distance / FLOAT32_TOLERANCE

    def controlled_margin(inputs, drawn):
        uniforms, temperature, top_k, top_p, known_codes, *given = inputs
        options = SamplingOptions(float(temperature), int(top_k) or None, float(top_p))
        logits = logits_of(drawn, *given)
        distance = boundary_distance(logits, uniforms, drawn, options)
        distance = np.where(is_undecided(logits, drawn, options, FLOAT32_TOLERANCE), 0.0, distance)
        return np.where(known_codes >= 0, drawn != known_codes, distance) / FLOAT32_TOLERANCE

    # A network may draw its own graph; without, the one line above stands in the file.
    for part, function in (("prior", all_logits), ("sampler", draw), ("controlled_sampler", draw_controlled)):
        function.__doc__ = network.drawings.get(part, function.__doc__)
    return {
        "prior": GraphFunction("prior", "prior", all_logits, (codes, *labels), (logits,), example_codes),
        "log_likelihood": GraphFunction(
            "log_likelihood", "likelihood", log_likelihoods, (codes, *labels), (log_likelihood,), example_codes
        ),
        "sampler": GraphFunction("sampler", "sampler", draw, (*draws_from, *labels), (codes,), example_draw, margin),
        "controlled_sampler": GraphFunction(
            "controlled_sampler",
            "sampler",
            draw_controlled,
            (*draws_from, *controls, *labels),
            (codes,),
            example_controlled,
            controlled_margin,
        ),
    }


def vqvae_graphs(network: Autoencoder, layout: Layout, latents_of: Callable) -> dict[str, GraphFunction]:
    """Return ``encoder``, ``decoder`` and ``reconstruct``, and ``encoder_uint8`` for images that were uint8 in fit.

    Parameters
    ----------
    network : Autoencoder
    layout : Layout
        Of the images that the network was fitted to.
    latents_of : callable
        ``latents_of(images)`` on NumPy arrays, (n, *code_shape, embedding_dim), which judges codes.
    """
    low, high = network.values.minimum, network.values.maximum
    n_embeddings, depth = network.quantizer.n_embeddings, network.quantizer.depth
    kind = "vectors" if layout.is_vector else "images, channels last"
    meaning = f"{kind}, in the units of the training data, [{low:g}, {high:g}]"
    images = TensorSpec("images", "images", (None, *layout.image_shape), "float32", meaning)
    meaning = f"codes in [0, {n_embeddings}), row-major over {network.code_shape}"
    if depth > 1:
        meaning += f", {depth} at each position; a decoder takes -1 for the last ones, which leaves them out"
    codes = TensorSpec("codes", "codes", (None, network.n_codes), "int64", meaning)

    def example_images(n, generator):
        # Smooth pictures in the data's range: their codes are those of use, not of noise.
        values = generator.random((n, *layout.image_shape), dtype=np.float32)
        for axis in range(1, 1 + min(2, len(layout.image_shape))):
            for _ in range(2):
                values = (values + np.roll(values, 1, axis) + np.roll(values, -1, axis)) / 3
        return (np.clip(2 * values - 0.5, 0, 1) * np.float32(high - low) + np.float32(low),)

    def example_bytes(n, generator):
        return (np.rint(example_images(n, generator)[0]).astype(np.uint8),)

    def example_codes(n, generator):
        codes = generator.integers(0, n_embeddings, (n, network.n_codes))
        if depth > 1:
            n_kept = generator.integers(1, depth + 1, (n, 1, 1))
            by_stage = codes.reshape(n, network.n_positions, depth)
            codes = np.where(np.arange(depth) < n_kept, by_stage, -1).reshape(codes.shape)
        return (codes,)

    def encode(images):
        """The nearest codes of images.

        images float32 (batch, height, width, channels), in the data's units
           |
        Sub mean, Mul 1 / scale
           |
        Transpose  to channels first; of one channel, Reshape
           |
        Conv, Relu, ...   the encoder (of vectors MatMul, Add, Relu, ...)
           |
        Transpose  back
           |
        MatMul by the codebook, Sub half its squared norms, TopK of 1   (fsq: Tanh, Round to the grid)
           |                        (of several quantisers: Gather the embedding, Sub it, and so on with the next one)
        codes int64 (batch, codes)
        """
        latents = ops.reshape(network.latents(images), (-1, network.quantizer.embedding_dim))
        found = network.quantizer.assign(latents)
        return (ops.cast(ops.reshape(found, (-1, network.n_codes)), "int64"),)

    def encode_bytes(images):
        """The nearest codes of images that are bytes.

        images uint8 (batch, height, width, channels)
           |
          Cast to float32
           |
        the part encoder
           |
        codes int64 (batch, codes)
        """
        return encode(ops.cast(images, "float32"))

    def decode(codes):
        """The images of codes.

        codes int64 (batch, codes)
           |
        Gather from the codebook   (of several quantisers: from each one's, Mul by 0 where the code is -1, Add)
           |
        Transpose  to channels first
           |
        Conv, Relu, ...  the decoder, which ends in ConvTranspose (of vectors MatMul, Add, Relu, ...);
           |             of one channel in Conv and DepthToSpace, which do the same sooner
           |
        Mul, Add  to the data's units; of images, Min and Max to its range
           |
        Transpose  back; of one channel, Reshape
           |
        images float32 (batch, height, width, channels)
        """
        return (network.decode(codes),)

    def reconstruct(images):
        """The part encoder, then the part decoder."""
        return decode(*encode(images))

    def margin(inputs, answered):
        quantizer = network.quantizer
        latents = latents_of(inputs[0].astype(np.float32)).reshape(len(answered), network.n_positions, -1)
        if quantizer.finds_nearest:
            return code_margin(latents, ops.convert_to_numpy(quantizer.codebook), answered)

        def assign(latents):
            return ops.convert_to_numpy(quantizer.assign(latents)).reshape(answered.shape)

        return perturbation_margin(assign, latents, answered)

    reconstructions = (replace(images, name="reconstructions"),)
    functions = {
        "encoder": GraphFunction("encoder", "encoder", encode, (images,), (codes,), example_images, margin),
        "decoder": GraphFunction("decoder", "decoder", decode, (codes,), (images,), example_codes),
        "reconstruct": GraphFunction(
            "reconstruct", "autoencoder", reconstruct, (images,), reconstructions, example_images
        ),
    }
    if layout.dtype == "uint8":
        bytes_ = replace(images, dtype="uint8")
        functions["encoder_uint8"] = GraphFunction(
            "encoder_uint8", "encoder", encode_bytes, (bytes_,), (codes,), example_bytes, margin
        )
    return functions


def code_margin(latents: np.ndarray, codebook: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """How much farther than the nearest embedding each code's embedding is, in multiples of the
    float32 rounding tolerance.

    Of several quantisers, each code is judged by what the given codes before it leave.

    Parameters
    ----------
    latents : ndarray of shape (n, n_positions, embedding_dim)
    codebook : ndarray of shape (n_embeddings, embedding_dim) or (depth, n_embeddings, embedding_dim)
    codes : ndarray of shape (n, n_positions * depth)

    Returns
    -------
    ndarray of shape (n, n_positions * depth)
    """
    latents, codebook = latents.astype(np.float64), codebook.astype(np.float64)
    magnitudes, margins = np.abs(latents), []
    tables = codebook.reshape(-1, *codebook.shape[-2:])
    by_stage = codes.reshape(*latents.shape[:-1], len(tables)).astype(np.int64)
    for table, chosen in zip(tables, np.moveaxis(by_stage, -1, 0), strict=True):
        half_norms = 0.5 * np.square(table).sum(axis=-1)
        scores = latents @ table.T - half_norms  # (n, n_positions, K)
        score = np.take_along_axis(scores, chosen[..., None], axis=-1)[..., 0]
        size = magnitudes @ np.abs(table).max(axis=0) + half_norms.max()
        margins.append((scores.max(axis=-1) - score) / (1e-5 * size + 1e-30))
        latents = latents - table[chosen]
    return np.stack(margins, axis=-1).reshape(codes.shape)


def perturbation_margin(assign: Callable, latents: np.ndarray, codes: np.ndarray, n_trials: int = 64) -> np.ndarray:
    """0 where a code is that of the latents or of latents perturbed by the float32 tolerance, 2 elsewhere.

    For quantisers whose code is not the nearest embedding.

    Parameters
    ----------
    assign : callable
        Latents -> codes.
    latents : ndarray of shape (n, n_positions, embedding_dim)
    codes : ndarray of shape (n, n_codes)
    n_trials : int
    """
    generator = np.random.default_rng(0)
    tolerance = np.float32(FLOAT32_TOLERANCE) * np.abs(latents).max(initial=1e-6)
    is_right = assign(latents) == codes
    for _ in range(n_trials):
        is_right |= (
            assign(latents + tolerance * generator.choice(np.array([-1, 1], np.float32), latents.shape)) == codes
        )
    return np.where(is_right, 0.0, 2.0)
