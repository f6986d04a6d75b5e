"""One training of a VQVAE: what watches it, and what is warned of at its end."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skvq._callbacks import FitTasks
from skvq._contract.counts import perplexity_of_counts, used_codes
from skvq._data import ImageSource, WeightedExamples, WeightedImageSource, in_order
from skvq._estimator import EstimatorObserver, Streams
from skvq._vqvae.errors import mean_error
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.code_counts import counts_of_codes
from skvq.training import Checkpoint, Trainer, TrainingConfig, TrainingResult, split_validation
from skvq.training.codebook import CodebookMaintenance

FEWEST_IN_USE, LOWEST_PERPLEXITY = 1 / 10, 1 / 16  # of n_embeddings; below either the codebook has collapsed


class AutoencoderObserver(EstimatorObserver):
    """Looks after the codebook, and counts the codes of each epoch."""

    maintenance: CodebookMaintenance

    def begin_epoch(self) -> None:
        super().begin_epoch()
        self.network.code_counts.reset_state()

    def before_step(self, step: int, batch: np.ndarray | tuple) -> None:
        self.maintenance.before_step(step, batch[0] if isinstance(batch, tuple) else batch)

    def after_epoch(self) -> tuple[dict, np.ndarray]:
        self.counts = self.network.code_counts.numpy()
        return usage_of_codes(self._counts_of_codes()), self.counts

    def _counts_of_codes(self) -> np.ndarray:
        return counts_of_codes(self.counts, self.network.quantizer.depth)

    def state(self) -> dict:
        return self.maintenance.state()

    def load_state(self, state: dict) -> None:
        self.maintenance.load_state(state)

    def attributes(self, history: dict[str, list]) -> dict[str, Any]:
        return {
            **super().attributes(history),
            "_region_counts": self.counts,
            "code_counts_": self._counts_of_codes(),
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
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train a network, and return the history and the counts of codes of the epoch that was kept."""
    train, validation = split_validation(len(source), validation_fraction, streams.of("validation"))

    def validation_loss() -> float:
        size = vqvae._inference_batch_size()
        parts = in_order(validation, size)
        errors = mean_error([vqvae._squared_errors(*source.weighted_rows(part)) for part in parts])
        return errors / network.values.scale**2

    observer = AutoencoderObserver(vqvae, network, tasks)
    trainer = Trainer(
        network,
        config,
        WeightedExamples(source) if isinstance(source, WeightedImageSource) else source,
        train,
        streams.of("batches"),
        observer=observer,
        validate=validation_loss if len(validation) else None,
        checkpoint=checkpoint,
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


def usage_of_codes(code_counts: np.ndarray) -> dict[str, float]:
    """Return what the history says of counts (K,), or of those of all stages (depth, K)."""
    stages = np.atleast_2d(code_counts)
    perplexities = [perplexity_of_counts(stage) for stage in stages]
    usage = {"perplexity": float(np.mean(perplexities)), "codes_in_use": used_codes(stages)}
    if len(stages) == 1:
        return usage
    return usage | {f"perplexity_{i}": perplexity for i, perplexity in enumerate(perplexities, start=1)}


def warn_of_collapse(code_counts: np.ndarray) -> None:
    """Warn where so few codes are in use that the codebook, of the first stage, has collapsed.

    What a later stage is left with may be little, and is no fault.
    """
    code_counts = np.atleast_2d(code_counts)[0]
    n_embeddings, in_use, n_codes = len(code_counts), used_codes(code_counts), int(code_counts.sum())
    if n_codes < 10 * n_embeddings:
        return
    perplexity = perplexity_of_counts(code_counts)
    if in_use >= FEWEST_IN_USE * n_embeddings and perplexity >= LOWEST_PERPLEXITY * n_embeddings:
        return
    warnings.warn(
        f"Only {in_use} of n_embeddings={n_embeddings} codes are in use, with a perplexity of {perplexity:.3g}: the "
        "codebook has collapsed. The usual causes are a learning_rate or a beta so large that the latents shrink to "
        "one point, or data with fewer distinct patches than codes. Lower learning_rate, beta or n_embeddings.",
        ConvergenceWarning,
        stacklevel=4,
    )
