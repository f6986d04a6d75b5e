"""Initialise the codebook by k-means, and restart dead codes, so that every code is used."""

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skvq._contract.errors import DivergenceError
from skvq._data import ImageSource, Rows, drawn
from skvq.networks import keras
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.inference import CompiledFunction
from skvq.networks.quantizers.residual import residuals_of

WARM_UP_STEPS = 100  # steps without quantisation, so that k-means runs on trained latents
RESTART_EVERY = 25  # steps between two checks for dead codes
RESTART_UNTIL = 0.8  # fraction of all steps; codes restarted later have no time to settle
LATENTS_PER_CODE = 40  # for k-means
MOST_START_IMAGES = 2048


class CodebookMaintenance:
    """Initialises the codebook during training, then restarts codes that are rarely used.

    Parameters
    ----------
    network : Autoencoder
    source : ImageSource
    indices : ndarray or RowSubset
        Training rows.
    n_steps : int
        Number of steps of the training.
    batch_size : int
    init : {"kmeans", "random"} or None
        How a new codebook is initialised. None continues with the present codebook.
    restart_threshold : float
        Codes used less than this fraction of the mean usage are dead. 0 restarts none.
    start_generator, restart_generator : numpy Generator
    """

    def __init__(
        self,
        network: Autoencoder,
        source: ImageSource,
        indices: Rows,
        *,
        n_steps: int,
        batch_size: int,
        init: str | None,
        restart_threshold: float,
        start_generator: np.random.Generator,
        restart_generator: np.random.Generator,
    ):
        self.network = network
        self.source = source
        self.indices = indices
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.start_generator = start_generator
        self.restart_generator = restart_generator
        self.latents: Any = CompiledFunction(network, network.latents)
        self.restart_threshold = restart_threshold
        self.started: bool = init != "kmeans"
        self.start_step: int = 0 if self.started else min(WARM_UP_STEPS, n_steps // 5)
        if init == "kmeans":
            network.quantizer.active.assign(0.0)
        elif init == "random":
            # The embeddings stay as they were drawn. Equal usage, so that no code counts as dead at first.
            table = keras.ops.convert_to_numpy(network.quantizer.codebook)  # (K, D), or (depth, K, D)
            usage = self._latents_per_step() / network.quantizer.n_embeddings
            network.quantizer.start(table, np.full(table.shape[:-1], usage, np.float32))

    def before_step(self, step: int, images: np.ndarray) -> None:
        """Initialise the codebook or restart codes, if it is time for that.

        ``images`` are this process's part of the batch; dead codes move to latents of the whole batch.
        """
        if not self.started and step >= self.start_step:
            self._start()
        elif self._restarts_at(step):
            latents = self._flat(self.latents.full_batch((images,)))
            self.network.quantizer.restart_dead(latents, self.restart_threshold, self.restart_generator)

    def _restarts_at(self, step: int) -> bool:
        in_time = self.start_step < step < RESTART_UNTIL * self.n_steps
        return self.restart_threshold > 0 and in_time and step % RESTART_EVERY == 0

    def _start(self) -> None:
        quantizer = self.network.quantizer
        wanted = LATENTS_PER_CODE * quantizer.n_embeddings
        enough = max(self.batch_size, -(-4 * wanted // self.network.n_positions))
        n_images = min(len(self.indices), MOST_START_IMAGES, enough)
        chosen = drawn(self.indices, n_images, self.start_generator)
        batches = (self.source.rows(chosen[i : i + self.batch_size]) for i in range(0, len(chosen), self.batch_size))
        latents = np.concatenate([self._flat(self.latents.one_batch((b,), self.batch_size)) for b in batches])
        if len(latents) > wanted:
            latents = latents[self.start_generator.choice(len(latents), wanted, replace=False)]
        for i, stage in enumerate(quantizer.stages):
            if i > 0:
                latents = residuals_of(quantizer.stages[i - 1], latents)
            centres, shares = k_means(latents, quantizer.n_embeddings, self.start_generator)
            centres, shares = self.latents.devices.arrays_of_first(centres, shares)
            stage.start(centres, shares * self._latents_per_step())
        quantizer.active.assign(1.0)
        self.network.code_counts.reset_state()  # these counts belong to the old embeddings
        self.started = True

    def _latents_per_step(self) -> int:
        return self.batch_size * self.network.n_positions

    def state(self) -> dict[str, Any]:
        """Return what a training that goes on later must know besides the weights."""
        generators = (self.start_generator, self.restart_generator)
        return {"started": self.started, "generators": [g.bit_generator.state for g in generators]}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the result of :meth:`state`."""
        self.started = state["started"]
        for generator, saved in zip((self.start_generator, self.restart_generator), state["generators"], strict=True):
            generator.bit_generator.state = saved

    @staticmethod
    def _flat(latents: np.ndarray) -> np.ndarray:
        if not np.isfinite(latents).all():
            raise DivergenceError("latents turned NaN or infinite")
        return latents.reshape(-1, latents.shape[-1])


def k_means(latents: np.ndarray, n_centres: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return ``n_centres`` centres of latents (n, D), and the share of latents in each cluster.

    If there are fewer distinct latents than centres, they are repeated with a little noise.
    """
    distinct = np.unique(latents, axis=0)
    if len(distinct) <= n_centres:
        spread = max(float(distinct.std()), 1e-3)
        noise = 1e-3 * spread * generator.standard_normal((n_centres, latents.shape[1]))
        centres = np.resize(distinct, noise.shape) + noise
        return centres.astype(np.float32), np.full(n_centres, 1 / n_centres, np.float32)
    model = KMeans(n_centres, n_init=1, max_iter=25, random_state=int(generator.integers(2**31)))
    # The result must not depend on the number of threads: workers of a search have fewer than this process.
    with threadpool_limits(1), warnings.catch_warnings():
        # K-means need not converge, because training continues from its result.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(latents)
    shares = np.bincount(model.labels_, minlength=n_centres) / len(latents)
    return model.cluster_centers_.astype(np.float32), shares.astype(np.float32)
