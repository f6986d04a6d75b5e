"""Images, codes and samples from exported files."""

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np

from skvq._contract.ahead import read_ahead
from skvq._contract.counts import check_n_samples
from skvq._contract.errors import InvalidInputError, ModelFileError, invalid
from skvq._contract.images import check_rows
from skvq._contract.mapped import from_disk
from skvq._contract.randomness import RandomStateLike
from skvq._contract.sampling import SamplingOptions
from skvq._contract.slicing import is_lazy
from skvq._contract.units import warn_of_units
from skvq.compression.codec import Codec
from skvq.compression.methods import CompressionMixin

from ._codes import CodeRuntime
from ._sessions import Part, SessionOptions
from ._source import open_source

PART_VALUES = 2**21  # of images that transform reads at a time: 8 MB of float32


class Runtime(CompressionMixin, CodeRuntime):
    """An autoencoder, a prior, or both, run by onnxruntime.

    Made by :func:`skvq.runtime.load`. It has the methods of :class:`skvq.VQGenerator`, and draws the same for the same
    ``random_state``. Threads may share it; it can be copied, pickled and sent to other processes, which read the files
    again, and refuse them if they have changed. Rows are run in batches of one size, the last one padded, so that no
    row's answer depends on its neighbours.

    Attributes
    ----------
    parts : tuple of str
        What there is to run: ``encoder``, ``decoder``, ``prior``, ``sampler``, ``generator``, ….
    source : Source
        What the files say about themselves, ``source.description`` about the model.

    Examples
    --------
    >>> runtime = skvq.runtime.load("exports/mnist")  # doctest: +SKIP
    >>> runtime.sample(16, y=3, random_state=0).shape  # doctest: +SKIP
    (16, 28, 28)
    """

    def __repr__(self) -> str:
        return f"Runtime({self.source.name!r}, parts={', '.join(self.parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        found = self.source.origin
        origin = found if isinstance(found, bytes) else str(found)
        return _opened_again, (origin, self.source.hashes, asdict(self._options), self._max_bytes)

    def __deepcopy__(self, memo: dict[str, Any]) -> "Runtime":
        function, arguments = self.__reduce__()
        return function(*arguments)

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of images.

        Parameters
        ----------
        X : array-like of shape (n, height, width, channels), (n, height, width) or (n, features)
            Images in the unit that the estimator was fitted in. Arrays on disk (memory maps, zarr, HDF5, Dask, files
            of images) are read in parts.

        Returns
        -------
        ndarray of shape (n, n_codes), int64
            In [0, n_embeddings).

        Raises
        ------
        InvalidInputError
            If X has another shape, is not numeric, or holds NaN or infinity; or without an encoder.
        ModelFileError
            If the file fails, or answers what no encoder may.
        TimeoutError
            If a run takes longer than the ``timeout`` of ``load``.
        """
        parts = self.codes_in_parts(X)
        n_rows = X.shape[0] if is_lazy(X) else len(X)
        codes, start = np.empty((n_rows, self.grid.n_codes), np.int64), 0
        with closing(parts):
            for part in parts:
                codes[start : start + len(part)] = part
                start += len(part)
        return codes

    def codes_in_parts(self, X: Any, first: int = 0) -> Generator[np.ndarray, None, None]:
        """Return an iterator over the codes of images, for more of them than memory holds the codes of.

        Arrays on disk are read by a thread, ahead of the model; close the iterator if you do not go through all of it.

        Parameters
        ----------
        X : array-like
            As for :meth:`transform`.
        first : int, default=0
            Row to begin with.

        Returns
        -------
        iterator of ndarray of shape (n_rows, n_codes), int64
            Some thousand rows at a time, in order.

        Raises
        ------
        InvalidInputError, ModelFileError, TimeoutError
            As :meth:`transform`.
        """
        # The same codes, without copies that are four times as large.
        as_bytes = "encoder_uint8" in self.parts and getattr(X, "dtype", None) == np.uint8
        encoder = self._part("encoder_uint8" if as_bytes else "encoder", "transform")
        return self._in_parts(encoder, from_disk(self._check_images(X)), as_bytes, first)

    def _in_parts(self, encoder: Part, rows: Any, as_bytes: bool, first: int) -> Generator[np.ndarray, None, None]:
        layout, size = self._layout, self._options.batch_size
        # Whole batches, so that a row is run in the same batch whatever the parts are.
        step = max(1, PART_VALUES // layout.n_features // size) * size

        def read(start: int) -> np.ndarray:
            some = rows[slice(start, start + step)]
            return some.reshape(len(some), *layout.image_shape) if as_bytes else layout.to_images(some)

        depth = 0 if isinstance(rows, np.ndarray) or len(rows) <= step else 1
        with closing(read_ahead(read, range(first, len(rows), step), depth)) as images:
            for _, some in images:
                yield encoder.run({"images": some})

    def inverse_transform(self, X: Any, n_quantizers: int | None = None) -> np.ndarray:
        """Return the images of codes.

        Parameters
        ----------
        X : array-like of shape (n, n_codes), or (n, n_positions * n_quantizers), integers in [0, n_embeddings)
        n_quantizers : int, default=None
            Use the codes of the first ``n_quantizers`` at each position only. None uses all.

        Returns
        -------
        ndarray
            In the shape, dtype and unit of the images that the estimator was fitted to.

        Raises
        ------
        InvalidInputError
            If codes are fractional, out of range, or not ``n_codes`` to a row; if ``n_quantizers`` is out of its
            range; or without a decoder.
        ModelFileError, TimeoutError
            As :meth:`transform`.
        """
        part = self._part("decoder", "inverse_transform")
        codes = self.grid.check_first(X, n_quantizers).astype(np.int64)
        return self._layout.from_images(part.run({"codes": codes}))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return ``inverse_transform(transform(X))``."""
        if not {"encoder", "encoder_uint8"} & set(self.parts) and "reconstruct" in self.parts:
            layout = self._layout
            images = layout.to_images(self._check_images(X))
            return layout.from_images(self._opened["reconstruct"].run({"images": images}))
        self._part("decoder", "reconstruct")
        return self.inverse_transform(self.transform(X))

    def sample(
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
        """Draw images: those that the estimators draw for the same ``random_state``.

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
        select : float, default=None
            Draw ``n_samples / select`` images of a conditional prior, and return those of each class whose codes have
            the highest probability of the class; in (0, 1].
        random_state : int, RandomState, Generator or None

        Returns
        -------
        ndarray
            In the shape, dtype and unit of the images that the estimator was fitted to.

        Raises
        ------
        InvalidInputError
            If an argument is out of its range, a class is missing or unknown; or without a generator, and without a
            sampler and a decoder, which ``select`` needs, with the prior.
        ModelFileError, TimeoutError
            As :meth:`transform`.
        """
        if select is not None:
            self._part("decoder", "sample with select")
            choice: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "select": select}
            return self.inverse_transform(self.sample_codes(n_samples, y, **choice, random_state=random_state))
        n_samples, options = check_n_samples(n_samples), SamplingOptions.checked(temperature, top_k, top_p)
        kinds = ("sampler", "generator") if "decoder" in self.parts else ("generator",)
        part = self._part_that_draws(kinds, "sample", options)
        drawn = self._draw(part, n_samples, y, options, random_state)
        layout = self._layout
        return layout.from_images(
            drawn if part.file.kind == "generator" else self._opened["decoder"].run({"codes": drawn})
        )

    def complete(
        self,
        X: Any,
        mask: Any,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: RandomStateLike = None,
    ) -> np.ndarray:
        """Keep some codes of images, draw the others, and return the images of all.

        Each code is drawn given all codes before it in row-major order, kept or drawn. Codes that are kept further on
        are not looked at.

        Parameters
        ----------
        X : array-like of shape (n, height, width, channels), (n, height, width) or (n, features)
            Images in the unit that the estimator was fitted in.
        mask : array-like of bool, of shape (n_codes,), (n, n_codes), grid.shape or (n, *grid.shape)
            True where the code is kept.
        y, temperature, top_k, top_p, random_state
            As for :meth:`sample`.

        Returns
        -------
        ndarray
            In the shape, dtype and unit of the images that the estimator was fitted to.

        Raises
        ------
        InvalidInputError
            If an argument is out of its range, a class is missing or unknown; or without an encoder, a controlled
            sampler and a decoder.
        ModelFileError, TimeoutError
            As :meth:`transform`.

        Examples
        --------
        >>> top = np.arange(7)[:, None] < 4  # of 7 × 7 codes, the four upper rows  # doctest: +SKIP
        >>> mask = np.broadcast_to(top, (7, 7))  # doctest: +SKIP
        >>> completed = runtime.complete(images, mask, y=labels)  # doctest: +SKIP
        """
        for part in ("controlled_sampler", "decoder"):
            self._part(part, "complete")
        choice: dict[str, Any] = {
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "random_state": random_state,
        }
        return self.inverse_transform(self.complete_codes(self.transform(X), mask, y, **choice))

    def _codec(self, method: str) -> Codec:
        coding = self.source.coding
        if coding is None:
            raise InvalidInputError(
                f"{method} needs an export with the integer tables of a ContextPrior; {self.source.name} has none. "
                "Export a VQGenerator with that prior, and load the folder."
            )
        return Codec(coding.tables, coding.decoder_digest, self.source.description.classes)

    def score_samples(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the log-probability of each image's codes under the prior.

        Parameters
        ----------
        X : array-like of shape (n, height, width, channels), (n, height, width) or (n, features)
            Images in the unit that the estimator was fitted in.
        y : class value, or array-like of shape (n,)
            For a conditional prior, and only then.

        Returns
        -------
        ndarray of shape (n,), float64
            In nats.

        Raises
        ------
        InvalidInputError
            If images or classes are wrong; or without an encoder and a prior.
        ModelFileError, TimeoutError
            As :meth:`transform`.
        """
        self._part_that_scores("score_samples")
        return self.score_codes(self.transform(X), y)

    def bits_per_image(self, X: Any, y: Any = None) -> float:
        """Return how many bits the prior needs for the codes of an image, on average over images.

        Parameters
        ----------
        X, y
            As for :meth:`score_samples`; at least one row.

        Returns
        -------
        float
            >= 0.

        Raises
        ------
        InvalidInputError, ModelFileError, TimeoutError
            As :meth:`score_samples`; or without any rows.
        """
        scores = self.score_samples(X, y)
        if not len(scores):
            raise invalid("X", "hold at least one image", "none", "The mean over no images is not defined.")
        return float(-scores.mean() / math.log(2))

    def _check_images(self, X: Any) -> np.ndarray:
        """Return X if it holds images of this model, and warn if they are in another unit."""
        description = self.source.description
        X = check_rows(X, self._layout)
        assert description.data_range is not None  # of a model with images
        warn_of_units(X, description.data_range, self._layout, name="data_range")
        return X


def _opened_again(origin: str | bytes, hashes: dict[str, str], options: dict[str, Any], max_bytes: int) -> Runtime:
    """Open what a pickled runtime was opened from, if it is still the same."""
    source, models = open_source(origin, max_bytes)
    if source.hashes != hashes:
        raise ModelFileError(
            f"{source.name} has changed since the runtime was loaded that this one is a copy of. "
            "Load it again, with skvq.runtime.load."
        )
    return Runtime(source, models, SessionOptions(**options), max_bytes)
