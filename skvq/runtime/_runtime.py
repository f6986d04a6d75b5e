"""Images, codes and samples from exported files."""

import threading
from typing import Any

import numpy as np
import onnxruntime

from skvq._contract import randomness as _random

from ._checks import (
    Providers,
    check_codes,
    check_count,
    check_images,
    check_known,
    check_providers,
    check_temperature,
    check_top_k,
    check_top_p,
    labels_of,
)
from ._source import Source

MOST_DRAWN_AT_ONCE = 128


class Runtime:
    """An autoencoder, a prior, or both, run by onnxruntime.

    Made by :func:`skvq.runtime.load`. Safe to share between threads. Rows are run in batches of one size, the
    last one padded, so that no row's answer depends on its neighbours.

    Attributes
    ----------
    parts : tuple of str
        What there is to run: ``encoder``, ``decoder``, ``prior``, ``sampler``, ``generator``, ….
    source : Source
        What the files say about themselves: shapes, classes, inputs and outputs.

    Examples
    --------
    >>> runtime = skvq.runtime.load("exports/mnist")  # doctest: +SKIP
    >>> runtime.sample(16, y=[3] * 16, random_state=0).shape  # doctest: +SKIP
    (16, 28, 28)
    """

    def __init__(self, source: Source, providers: Providers, threads: int | None, batch_size: int):
        self.source = source
        self.parts = tuple(source.parts)
        self._providers = check_providers(providers)
        self._threads = check_count("threads", threads) if threads is not None else None
        self._batch_size = check_count("batch_size", batch_size)
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Runtime({str(self.source.path)!r}, parts={', '.join(self.parts)})"

    @property
    def classes(self) -> tuple | None:
        """Classes that samples can be asked of, or None."""
        return self.source.classes

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of images.

        Parameters
        ----------
        X : array-like of shape (n, height, width, channels), (n, height, width) or (n, features)
            Images in the unit that the estimator was fitted in.

        Returns
        -------
        ndarray of shape (n, n_positions), int64

        Raises
        ------
        ValueError
            If X has another shape, is not numeric, or holds NaN or infinity; or without an encoder.
        """
        # The same codes, without a copy of all images that is four times as large.
        as_bytes = "encoder_uint8" in self.parts and getattr(X, "dtype", None) == np.uint8
        part = "encoder_uint8" if as_bytes else "encoder"
        self._require(part, "transform")
        return self._run(part, check_images(X, self.source.layout, as_bytes))

    def inverse_transform(self, codes: Any) -> np.ndarray:
        """Return the images of codes.

        Parameters
        ----------
        codes : array-like of shape (n, n_positions), integers in [0, n_embeddings)

        Returns
        -------
        ndarray
            In the shape, dtype and unit of the images that the estimator was fitted to.

        Raises
        ------
        ValueError
            If codes are fractional, out of range, or not ``n_positions`` to a row; or without a decoder.
        """
        self._require("decoder", "inverse_transform")
        codes = check_codes(codes, self.source.code_shape, self.source.n_embeddings)
        return self.source.layout.from_images(self._run("decoder", codes))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return ``inverse_transform(transform(X))``."""
        if not {"encoder", "encoder_uint8"} & set(self.parts) and "reconstruct" in self.parts:
            return self.source.layout.from_images(self._run("reconstruct", check_images(X, self.source.layout)))
        self._require("decoder", "reconstruct")
        return self.inverse_transform(self.transform(X))

    def sample_codes(
        self,
        n_samples: int = 1,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: _random.RandomStateLike = None,
    ) -> np.ndarray:
        """Draw codes from the prior: those that the estimator draws for the same ``random_state``.

        Parameters
        ----------
        n_samples : int, default=1
        y : class value, or array-like of shape (n_samples,)
            For a conditional prior, and only then.
        temperature : float, default=1.0
            Above 0. Divides the logits; below 1 the likely codes become likelier.
        top_k : int, default=None
            Draw only the ``top_k`` likeliest codes at each position.
        top_p : float, default=None
            Draw only the likeliest codes that together reach this probability, after ``top_k``; in (0, 1].
        random_state : int, RandomState, Generator or None

        Returns
        -------
        ndarray of shape (n_samples, n_positions), int64

        Raises
        ------
        ValueError
            If an argument is out of its range, a class is missing or unknown; or without a sampler.
        """
        choice = (temperature, top_k, top_p)
        part = self._part_that_draws(("sampler",), "sample_codes", choice)
        return self._draw(part, check_count("n_samples", n_samples), y, choice, random_state)

    def sample(
        self,
        n_samples: int = 1,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: _random.RandomStateLike = None,
    ) -> np.ndarray:
        """Draw images: those that the estimators draw for the same ``random_state``.

        Parameters
        ----------
        n_samples, y, temperature, top_k, top_p, random_state
            As for :meth:`sample_codes`.

        Returns
        -------
        ndarray
            In the shape, dtype and unit of the images that the estimator was fitted to.

        Raises
        ------
        ValueError
            As :meth:`sample_codes`; or without a generator, and without a sampler and a decoder.
        """
        n_samples, choice = check_count("n_samples", n_samples), (temperature, top_k, top_p)
        kinds = ("sampler", "generator") if "decoder" in self.parts else ("generator",)
        part = self._part_that_draws(kinds, "sample", choice)
        drawn = self._draw(part, n_samples, y, choice, random_state)
        return self.source.layout.from_images(drawn if part.endswith("generator") else self._run("decoder", drawn))

    def complete(
        self,
        codes: Any,
        known: Any,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: _random.RandomStateLike = None,
    ) -> np.ndarray:
        """Keep the known codes of each row and draw the others, as the estimator does for the same ``random_state``.

        Each code is drawn given all codes before it, known or drawn; known codes further on have no say in it.

        Parameters
        ----------
        codes : array-like of shape (n, n_positions)
            Those at unknown positions may be any in range.
        known : array-like of bool, of shape (n_positions,) or (n, n_positions)
        y, temperature, top_k, top_p, random_state
            As for :meth:`sample_codes`.

        Returns
        -------
        ndarray of shape (n, n_positions), int64
            For :meth:`inverse_transform`.

        Raises
        ------
        ValueError
            If an argument is out of its range, a class is missing or unknown; or without a controlled sampler.

        Examples
        --------
        >>> top = np.arange(49) < 28  # of 7 × 7 codes, the four upper rows  # doctest: +SKIP
        >>> completed = runtime.complete(runtime.transform(images), top, y=labels)  # doctest: +SKIP
        """
        self._require("controlled_sampler", "complete")
        codes = check_codes(codes, self.source.code_shape, self.source.prior_n_embeddings)
        known_codes = check_known(known, codes)
        return self._draw("controlled_sampler", len(codes), y, (temperature, top_k, top_p), random_state, known_codes)

    def score_samples(self, codes: Any, y: Any = None) -> np.ndarray:
        """Return each row's log-probability under the prior.

        Parameters
        ----------
        codes : array-like of shape (n, n_positions)
        y : class value, or array-like of shape (n,)
            For a conditional prior, and only then.

        Returns
        -------
        ndarray of shape (n,), float64
            In nats.

        Raises
        ------
        ValueError
            If codes or classes are wrong; or without a prior.
        """
        part = "log_likelihood" if "log_likelihood" in self.parts else "prior"
        self._require(part, "score_samples")
        codes = check_codes(codes, self.source.code_shape, self.source.prior_n_embeddings)
        labels = labels_of(y, self.classes, len(codes))
        scores = [np.empty(0)]
        for start in range(0, len(codes), self._batch_size):  # logits are K times the codes: never all at once
            rows = slice(start, start + self._batch_size)
            answer = self._run(part, codes[rows], *(array[rows] for array in labels)).astype(np.float64)
            scores.append(answer if part == "log_likelihood" else _log_likelihood(answer, codes[rows]))
        return np.concatenate(scores)

    def _part_that_draws(self, kinds: tuple[str, ...], method: str, choice: tuple) -> str:
        """Return a part of these kinds that can make a choice: a plain one, which is faster, wherever it can."""
        chooses = choice[1] is not None or choice[2] is not None
        controlled = [f"controlled_{kind}" for kind in kinds]
        for part in controlled if chooses else [*kinds, *controlled]:
            if part in self.parts:
                return part
        prefix, method = ("controlled_", f"{method} with top_k or top_p") if chooses else ("", method)
        if "generator" in kinds:
            raise self._lacking(f"{prefix}generator", method, f", or {prefix + 'sampler'!r} with 'decoder'")
        raise self._lacking(f"{prefix}sampler", method)

    def _draw(
        self, part: str, n_samples: int, y: Any, choice: tuple, random_state: Any, known_codes: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw by a part, with ``choice`` of temperature, top_k and top_p."""
        shared = {"temperature": check_temperature(choice[0])}
        labels = labels_of(y, self.classes, n_samples)
        uniforms = _random.uniforms(random_state, n_samples, int(np.prod(self.source.code_shape)))
        rows = [uniforms]
        if part.startswith("controlled"):
            shared |= {"top_k": check_top_k(choice[1]), "top_p": check_top_p(choice[2])}
            rows.append(np.full(uniforms.shape, -1) if known_codes is None else known_codes)
        # A step of the sampler costs nearly the same for many rows as for one: the smallest power of two that holds
        # them, so that one image stays cheap and many come at once.
        size = min(MOST_DRAWN_AT_ONCE, 1 << max(n_samples - 1, 0).bit_length())
        return self._run(part, *rows, *labels, size=size, **shared)

    def _run(self, part: str, *rows: np.ndarray, size: int | None = None, **shared: np.ndarray) -> np.ndarray:
        """Run a part on all rows, in batches; ``rows`` are its inputs in order, less those ``shared`` by all rows."""
        size = size or self._batch_size
        file = self.source.parts[part]
        names = [tensor["name"] for tensor in file.inputs if tensor["name"] not in shared]
        session = self._session(part)
        output = file.outputs[0]
        answers = [np.empty((0, *output["shape"][1:]), output["dtype"])]
        for start in range(0, len(rows[0]), size):
            batch = [array[start : start + size] for array in rows]
            missing = size - len(batch[0])
            padded = [np.concatenate([array, np.repeat(array[:1], missing, axis=0)]) for array in batch]
            answer = session.run(None, {**dict(zip(names, padded, strict=True)), **shared})[0]
            answers.append(answer[: len(batch[0])])
        return np.concatenate(answers)

    def _session(self, part: str) -> onnxruntime.InferenceSession:
        with self._lock:
            if part not in self._sessions:
                options = onnxruntime.SessionOptions()
                # Otherwise bytes may pass as onnxruntime's own format, which is not looked through.
                options.add_session_config_entry("session.load_model_format", "ONNX")
                if self._threads is not None:
                    options.intra_op_num_threads = self._threads
                self._sessions[part] = onnxruntime.InferenceSession(
                    self.source.read(part), options, providers=self._providers
                )
            return self._sessions[part]

    def _require(self, part: str, method: str) -> None:
        if part not in self.parts:
            raise self._lacking(part, method)

    def _lacking(self, part: str, method: str, otherwise: str = "") -> ValueError:
        return ValueError(
            f"{method} needs the part {part!r}{otherwise}; {self.source.path} holds {', '.join(self.parts)}. "
            "Load a folder that skvq.export_onnx wrote with all that you need."
        )


def _log_likelihood(logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Log-probabilities (n,) of codes (n, positions) under logits (n, positions, K), in float64."""
    largest = logits.max(axis=-1, keepdims=True)
    log_totals = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[..., 0]
    chosen = np.take_along_axis(logits, codes[..., None], axis=-1)[..., 0]
    return (chosen - log_totals).sum(axis=1)
