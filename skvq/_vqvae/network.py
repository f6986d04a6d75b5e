"""The network that a VQVAE's parameters and data describe."""

import math
from typing import Any

from skvq._contract.errors import invalid
from skvq._contract.images import Layout, ValueRange
from skvq._data import ImageSource
from skvq.networks.architectures import ARCHITECTURES
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.inference import compile_step
from skvq.networks.losses import LOSSES, constant_picture_loss
from skvq.networks.quantizers import QUANTIZERS, Quantizer, ResidualQuantizer

# Parameters that decide the network's shape, or what its weights mean.
NETWORK_PARAMETERS = (
    "architecture",
    "quantizer",
    "n_embeddings",
    "embedding_dim",
    "ema_decay",
    "n_quantizers",
    "quantizer_dropout",
    "downsampling",
    "hidden_channels",
    "n_residual_blocks",
    "reconstruction_loss",
)
SAMPLED_ROWS = 512  # for the scale of the reconstruction loss


def network_params(vqvae: Any, layout: Layout) -> dict:
    """Return the parameters that training cannot change once it has begun."""
    params = {name: getattr(vqvae, name) for name in NETWORK_PARAMETERS}
    if vqvae.architecture == "auto":
        params["architecture"] = "dense" if layout.is_vector else "conv"
    return params


def network_config(vqvae: Any, source: ImageSource, values: ValueRange) -> dict:
    """Return all that a new network is built from."""
    loss: Any = LOSSES.get(vqvae.reconstruction_loss, vqvae.reconstruction_loss)
    return {
        **network_params(vqvae, source.layout),
        "mean": values.mean,
        "scale": values.scale,
        "reconstruction_scale": constant_picture_loss(loss, source.sample(SAMPLED_ROWS), values),
        "bounded": not source.layout.is_vector,
    }


def build_autoencoder(
    config: dict, image_shape: tuple[int, ...], data_range: tuple[float, float], *, beta: float, vq_weight: float
) -> Autoencoder:
    """Return the network of a config.

    Raises
    ------
    InvalidInputError
        If a callable architecture does not return what it should, or a class is no quantiser.
    """
    build: Any = ARCHITECTURES.get(config["architecture"], config["architecture"])
    quantizer_class: Any = QUANTIZERS.get(config["quantizer"], config["quantizer"])
    step = config["downsampling"]
    is_image = len(image_shape) == 3
    padded = tuple(math.ceil(s / step) * step for s in image_shape[:-1]) + image_shape[-1:] if is_image else image_shape
    encoder, decoder = build(
        padded,
        embedding_dim=config["embedding_dim"],
        downsampling=step,
        hidden_channels=config["hidden_channels"],
        n_residual_blocks=config["n_residual_blocks"],
    )
    if encoder.output_shape[-1] != config["embedding_dim"]:
        raise invalid(
            "architecture",
            f"make an encoder to embedding_dim={config['embedding_dim']} channels",
            f"one to {encoder.output_shape[-1]}",
            "skvq.networks.architectures says what it is called with and returns.",
        )
    if isinstance(quantizer_class, type) and not issubclass(quantizer_class, Quantizer):
        raise invalid(
            "quantizer",
            f"be one of {sorted(QUANTIZERS)} or a subclass of skvq.networks.quantizers.Quantizer",
            repr(quantizer_class),
            "examples/own_quantizer.py has one.",
        )
    loss: Any = LOSSES.get(config["reconstruction_loss"], config["reconstruction_loss"])
    return Autoencoder(
        image_shape,
        encoder,
        decoder,
        _quantizer(quantizer_class, config),
        values=ValueRange(config["mean"], config["scale"], *data_range),
        reconstruction_loss=loss,
        reconstruction_scale=config["reconstruction_scale"],
        beta=beta,
        vq_weight=vq_weight,
        bounded=config["bounded"],
    )


def _quantizer(quantizer_class: type[Quantizer], config: dict) -> Quantizer:
    """Return one quantiser, or as many in a row as the config has."""

    def one(**options) -> Quantizer:
        return quantizer_class(config["n_embeddings"], config["embedding_dim"], decay=config["ema_decay"], **options)

    n_quantizers = config["n_quantizers"]
    if n_quantizers == 1:
        return one()
    if not quantizer_class.has_table:
        raise invalid(
            "n_quantizers",
            f"be 1 for {quantizer_class.__name__}, whose fixed grid cannot adapt to what another stage left",
            n_quantizers,
            "Use quantizer='ema' or 'gradient', or more n_embeddings.",
        )
    stages = [one(name=f"stage_{i + 1}") for i in range(n_quantizers)]
    return ResidualQuantizer(stages, dropout=config["quantizer_dropout"])


def with_loss_weights(network: Autoencoder, beta: float, vq_weight: float) -> Autoencoder:
    """Return a network with the present weights of the loss, which set_params may have changed since it was built."""
    if (network.beta, network.vq_weight) != (beta, vq_weight):
        network.beta, network.vq_weight = beta, vq_weight
        if network.compiled:
            compile_step(network)
    return network
