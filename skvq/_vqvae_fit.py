"""How a VQVAE is built and trained: the network that its parameters describe, and the course of one training."""

import math
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skvq._callbacks import FitTasks
from skvq._contract.counts import perplexity_of_counts, used_codes
from skvq._contract.errors import invalid
from skvq._contract.images import Layout, ValueRange
from skvq._data import ImageSource
from skvq._estimator import EstimatorObserver, Streams
from skvq.networks.architectures import ARCHITECTURES
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.inference import compile_step
from skvq.networks.losses import LOSSES, constant_picture_loss
from skvq.networks.quantizers import QUANTIZERS, Quantizer
from skvq.training import Trainer, TrainingConfig, TrainingResult, split_validation
from skvq.training.codebook import CodebookMaintenance

# Parameters that decide the network's shape, or what its weights mean.
NETWORK_PARAMETERS = (
    "architecture",
    "quantizer",
    "n_embeddings",
    "embedding_dim",
    "ema_decay",
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
    loss = LOSSES.get(vqvae.reconstruction_loss, vqvae.reconstruction_loss)
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
    build = ARCHITECTURES.get(config["architecture"], config["architecture"])
    quantizer_class = QUANTIZERS.get(config["quantizer"], config["quantizer"])
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
    return Autoencoder(
        image_shape,
        encoder,
        decoder,
        quantizer_class(config["n_embeddings"], config["embedding_dim"], decay=config["ema_decay"]),
        values=ValueRange(config["mean"], config["scale"], *data_range),
        reconstruction_loss=LOSSES.get(config["reconstruction_loss"], config["reconstruction_loss"]),
        reconstruction_scale=config["reconstruction_scale"],
        beta=beta,
        vq_weight=vq_weight,
        bounded=config["bounded"],
    )


def with_loss_weights(network: Autoencoder, beta: float, vq_weight: float) -> Autoencoder:
    """Return a network with the present weights of the loss, which set_params may have changed since it was built."""
    if (network.beta, network.vq_weight) != (beta, vq_weight):
        network.beta, network.vq_weight = beta, vq_weight
        if network.compiled:
            compile_step(network)
    return network


class AutoencoderObserver(EstimatorObserver):
    """Looks after the codebook, and counts the codes of each epoch."""

    maintenance: CodebookMaintenance

    def begin_epoch(self) -> None:
        super().begin_epoch()
        self.network.code_counts.reset_state()

    def before_step(self, step: int, batch: np.ndarray) -> None:
        self.maintenance.before_step(step, batch)

    def after_epoch(self) -> tuple[dict, np.ndarray]:
        self.counts = self.network.code_counts.numpy()
        used = self.counts.sum(axis=0)
        return {"perplexity": perplexity_of_counts(used), "codes_in_use": used_codes(used)}, self.counts

    def attributes(self, history: dict[str, list]) -> dict[str, Any]:
        return {
            **super().attributes(history),
            "_region_counts": self.counts,
            "code_counts_": self.counts.sum(axis=0),
        }


def train_autoencoder(
    vqvae: Any,
    network: Autoencoder,
    source: ImageSource,
    streams: Streams,
    config: TrainingConfig,
    *,
    codebook_init: str | None,
    validation_fraction: float,
    tasks: FitTasks | None,
) -> TrainingResult:
    """Train a network, and return the history and the counts of codes of the epoch that was kept."""
    train, validation = split_validation(len(source), validation_fraction, streams.of("validation"))

    def validation_loss() -> float:
        size = vqvae._inference_batch_size()
        parts = [validation[i : i + size] for i in range(0, len(validation), size)]
        errors = np.concatenate([vqvae._squared_errors(source.rows(indices)) for indices in parts])
        return float(errors.mean()) / network.values.scale**2

    observer = AutoencoderObserver(vqvae, network, tasks)
    trainer = Trainer(
        network,
        config,
        source,
        train,
        streams.of("batches"),
        observer=observer,
        validate=validation_loss if len(validation) else None,
    )
    observer.maintenance = CodebookMaintenance(
        network,
        source,
        train,
        n_steps=trainer.n_steps,
        batch_size=config.batch_size,
        init=codebook_init,
        restart_threshold=vqvae.restart_threshold,
        start_generator=streams.of("codebook"),
        restart_generator=streams.of("restarts"),
    )
    result = trainer.run()
    network.quantizer.active.assign(1.0)  # also where training ended before the codebook's start
    return result


def warn_of_collapse(code_counts: np.ndarray) -> None:
    """Warn where so few codes are in use that the codebook has collapsed."""
    n_embeddings, in_use, n_codes = len(code_counts), used_codes(code_counts), int(code_counts.sum())
    if n_codes < 10 * n_embeddings or in_use >= 0.1 * n_embeddings:
        return
    warnings.warn(
        f"Only {in_use} of n_embeddings={n_embeddings} codes are in use: the codebook has collapsed. The usual causes "
        "are a learning_rate or a beta so large that the latents shrink to one point, or data with fewer distinct "
        "patches than codes. Lower learning_rate, beta or n_embeddings.",
        ConvergenceWarning,
        stacklevel=4,
    )
