"""Codes drawn, completed and scored by the files of a prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skvq._contract.codes import CodeGrid
from skvq._contract.counts import check_n_samples
from skvq._contract.errors import InvalidInputError
from skvq._contract.images import Layout
from skvq._contract.labels import indices_of_labels
from skvq._contract.randomness import RandomStateLike, uniforms
from skvq._contract.sampling import SamplingOptions
from skvq._contract.selection import check_select, draw_selected

from ._sessions import Part, SessionOptions
from ._source import Source

MOST_DRAWN_AT_ONCE = 128


class CodeRuntime:
    """The parts of an export, open, and what they do with codes: the base of :class:`skvq.runtime.Runtime`."""

    def __init__(self, source: Source, models: Mapping[str, bytes], options: SessionOptions, max_bytes: int):
        self.source = source
        self.parts: tuple[str, ...] = tuple(source.parts)
        self._options = options
        self._max_bytes = max_bytes
        self._opened = {
            part: Part(file, models[part], source.description, options) for part, file in source.parts.items()
        }

    @property
    def grid(self) -> CodeGrid:
        """Positions of the codes and how many kinds there are."""
        return self.source.description.codes

    @property
    def _prior_grid(self) -> CodeGrid:
        """The grid of a part that draws or scores; its file was refused if it had none."""
        grid = self.source.description.prior_grid
        assert grid is not None
        return grid

    @property
    def _layout(self) -> Layout:
        """The layout of a part that takes or gives images; its file was refused if it had none."""
        layout = self.source.description.layout
        assert layout is not None
        return layout

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Classes that samples can be asked of, or None."""
        classes = self.source.description.classes
        return None if classes is None else tuple(classes.values.tolist())

    def sample_codes(
        self,
        n_samples: int = 1,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        select: float | None = None,
        random_state: RandomStateLike = None,
    ) -> np.ndarray:
        """Draw codes from the prior: those that the estimator draws for the same ``random_state``.

        Parameters
        ----------
        n_samples, y, temperature, top_k, top_p, select, random_state
            As for :meth:`sample`.

        Returns
        -------
        ndarray of shape (n_samples, n_codes), int64

        Raises
        ------
        InvalidInputError
            If an argument is out of its range, a class is missing or unknown; or without a sampler.
        ModelFileError, TimeoutError
            As :meth:`transform`.
        """
        n_samples, options = check_n_samples(n_samples), SamplingOptions.checked(temperature, top_k, top_p)
        part = self._part_that_draws(("sampler",), "sample_codes", options)
        classes = self.source.description.classes
        select = check_select(select, 0 if classes is None else len(classes))
        if select is None or classes is None:
            return self._draw(part, n_samples, y, options, random_state)
        self._part_that_scores("sample_codes with select")
        return draw_selected(
            classes.indices(y, n_samples),
            len(classes),
            select,
            lambda labels: self._draw(part, len(labels), classes.values[labels], options, random_state),
            lambda codes, index: self.score_codes(codes, classes.values[index]),
        )

    def complete_codes(
        self,
        codes: Any,
        mask: Any,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: RandomStateLike = None,
    ) -> np.ndarray:
        """Keep some codes of each row and draw the others, as the prior does for the same ``random_state``.

        Parameters
        ----------
        codes : array-like of shape (n, n_codes)
            Those that are not kept may be any in range.
        mask : array-like of bool, of shape (n_codes,), (n, n_codes), grid.shape or (n, *grid.shape)
            True where the code is kept.
        y, temperature, top_k, top_p, random_state
            As for :meth:`sample`.

        Returns
        -------
        ndarray of shape (n, n_codes), int64
            For :meth:`inverse_transform`.

        Raises
        ------
        InvalidInputError
            If an argument is out of its range, a class is missing or unknown; or without a controlled sampler.
        ModelFileError, TimeoutError
            As :meth:`transform`.
        """
        part = self._part("controlled_sampler", "complete_codes")
        options = SamplingOptions.checked(temperature, top_k, top_p)
        grid = self._prior_grid
        codes = grid.check(codes, "codes").astype(np.int64)
        mask = grid.check_mask(mask, len(codes))
        return self._draw(part, len(codes), y, options, random_state, np.where(mask, codes, -1))

    def score_codes(self, codes: Any, y: Any = None) -> np.ndarray:
        """Return each row's log-probability under the prior.

        Parameters
        ----------
        codes : array-like of shape (n, n_codes)
        y : class value, or array-like of shape (n,)
            For a conditional prior, and only then.

        Returns
        -------
        ndarray of shape (n,), float64
            In nats.

        Raises
        ------
        InvalidInputError
            If codes or classes are wrong; or without a prior.
        ModelFileError, TimeoutError
            As :meth:`transform`.
        """
        part = self._part_that_scores("score_codes")
        codes = self._prior_grid.check(codes, "codes").astype(np.int64)
        rows = {"codes": codes, **self._labels(y, len(codes))}
        scores = [np.empty(0)]
        for start in range(0, len(codes), self._options.batch_size):  # logits are K times the codes: never all at once
            some = {role: array[start : start + self._options.batch_size] for role, array in rows.items()}
            answer = part.run(some).astype(np.float64)
            scores.append(answer if part.file.kind == "likelihood" else _log_likelihood(answer, some["codes"]))
        return np.concatenate(scores)

    def _draw(
        self,
        part: Part,
        n_samples: int,
        y: Any,
        options: SamplingOptions,
        random_state: RandomStateLike,
        known_codes: np.ndarray | None = None,
    ) -> np.ndarray:
        n_codes = self._prior_grid.n_codes
        rows = {"uniforms": uniforms(random_state, n_samples, n_codes), **self._labels(y, n_samples)}
        if "known_codes" in {tensor["role"] for tensor in part.file.inputs}:
            rows["known_codes"] = np.full((n_samples, n_codes), -1) if known_codes is None else known_codes
        # A step of the sampler costs nearly the same for many rows as for one: the smallest power of two that holds
        # them, so that one image stays cheap and many come at once.
        size = min(MOST_DRAWN_AT_ONCE, 1 << max(n_samples - 1, 0).bit_length())
        return part.run(
            rows,
            size,
            temperature=np.array(options.temperature, np.float32),
            top_k=np.array(options.top_k or 0, np.int64),  # 0 stands for all
            top_p=np.array(1 if options.top_p is None else options.top_p, np.float32),
        )

    def _labels(self, y: Any, n_rows: int) -> dict[str, np.ndarray]:
        indices = indices_of_labels(self.source.description.classes, y, n_rows)
        return {} if indices is None else {"labels": indices.astype(np.int64)}

    def _part_that_draws(self, kinds: tuple[str, ...], method: str, options: SamplingOptions) -> Part:
        """Return a part of these kinds that can draw so: a plain one, which is faster, wherever it can."""
        controlled = [f"controlled_{kind}" for kind in kinds]
        for part in controlled if options.is_narrowed else [*kinds, *controlled]:
            if part in self._opened:
                return self._opened[part]
        prefix, method = ("controlled_", f"{method} with top_k or top_p") if options.is_narrowed else ("", method)
        if "generator" in kinds:
            raise self._lacking(f"{prefix}generator", method, f", or {prefix + 'sampler'!r} with 'decoder'")
        raise self._lacking(f"{prefix}sampler", method)

    def _part_that_scores(self, method: str) -> Part:
        return self._part("log_likelihood" if "log_likelihood" in self.parts else "prior", method)

    def _part(self, part: str, method: str) -> Part:
        if part not in self._opened:
            raise self._lacking(part, method)
        return self._opened[part]

    def _lacking(self, part: str, method: str, otherwise: str = "") -> InvalidInputError:
        return InvalidInputError(
            f"{method} needs the part {part!r}{otherwise}; {self.source.name} holds {', '.join(self.parts)}. "
            "Load a folder that skvq.export_onnx wrote with all that you need."
        )


def _log_likelihood(logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Log-probabilities (n,) of codes (n, n_codes) under logits (n, n_codes, K), in float64."""
    largest = logits.max(axis=-1, keepdims=True)
    log_totals = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[..., 0]
    chosen = np.take_along_axis(logits, codes[..., None], axis=-1)[..., 0]
    return (chosen - log_totals).sum(axis=1)
