"""What a VQVAE does behind its public methods: sources of images, a new network, training, inference by batches."""

import math
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from skvq._callbacks import FitTasks
from skvq._contract.codes import CodeGrid, nearest_codes
from skvq._contract.description import ModelDescription
from skvq._contract.errors import InvalidInputError
from skvq._contract.graph import GraphFunction
from skvq._contract.images import check_row_shape
from skvq._contract.randomness import uniforms
from skvq._contract.sampling import SamplingOptions
from skvq._contract.units import warn_of_units
from skvq._contract.weights import PixelWeights
from skvq._data import ImageSource, WeightedImageSource, check_images, is_lazy, is_tensor, warn_of_flat_images
from skvq._data.refusals import refuse_what_is_no_array
from skvq._estimator import NetworkEstimator, Streams
from skvq._fitted import check_fitted
from skvq._graph_functions import vqvae_graphs
from skvq._outputs import n_features
from skvq._vqvae.errors import RowErrors, joined, row_errors
from skvq._vqvae.network import build_autoencoder, network_config, network_params, with_loss_weights
from skvq._vqvae.training import train_autoencoder, warn_of_collapse
from skvq.compression.codec import weights_digest
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.code_counts import counts_of_codes
from skvq.networks.losses import LOSSES, check_takes_weights
from skvq.training import Checkpoint

SMALL_BATCHES = (1, 16)  # for calls of a few rows; larger calls run in full batches
# Lead of the best code over the next one, relative to the scores. Between batches of 1 and 128 digits, rounding changed
# scores by 1.2e-7 at most.
SAFE_MARGIN = 2e-6


class AutoencoderEstimator(NetworkEstimator):
    """An estimator of images whose network is an :class:`~skvq.networks.autoencoder.Autoencoder`."""

    grid_: CodeGrid
    codebook_: np.ndarray
    image_shape_: tuple[int, ...]
    data_range_: tuple[float, float]
    code_counts_: np.ndarray
    n_features_in_: int

    def _new_source(self, X, pixel_weight=None) -> ImageSource:
        """Return images to train new weights on."""
        array = check_images(X)
        image_shape = self.image_shape
        if image_shape is None and self.architecture == "conv" and array.ndim == 2:
            image_shape = (1, array.shape[1])
        if image_shape is None and self.architecture == "auto" and array.ndim == 2:
            warn_of_flat_images(array)
        source = ImageSource(array, image_shape)
        if pixel_weight is None:
            return source
        check_takes_weights(LOSSES.get(self.reconstruction_loss, self.reconstruction_loss))
        weights = PixelWeights(pixel_weight, source.layout, array.shape[0])
        return WeightedImageSource(array, source.layout, weights).for_training()

    def _continued_source(self, X, pixel_weight=None) -> ImageSource:
        """Return images to train the present weights on."""
        source = self._source(X, pixel_weight)
        self._check_unchanged(self._network_config, network_params(self, source.layout))
        if not isinstance(source, WeightedImageSource):
            return source
        check_takes_weights(LOSSES.get(self.reconstruction_loss, self.reconstruction_loss))
        return source.for_training()

    def _source(self, X, pixel_weight=None) -> ImageSource:
        """Return images to encode."""
        check_fitted(self)
        if not hasattr(X, "shape") or is_tensor(X):
            X = check_images(X)
        if len(X.shape) <= 2:
            refuse_what_is_no_array(X)
            if len(X.shape) == 2 and tuple(X.shape) == self.image_shape_[:2]:
                check_row_shape(self._layout, tuple(X.shape[1:]))  # one image is no batch of flat ones
            if is_lazy(X):
                validate_data(self, X, reset=False, skip_check_array=True)
                array = check_images(X)
            else:
                array = validate_data(self, X, reset=False, dtype="numeric", ensure_all_finite=False)
        else:
            array = check_images(X)
            check_row_shape(self._layout, tuple(array.shape[1:]))
        if pixel_weight is None:
            warn_of_units(array, self.data_range_, self._layout)
            return ImageSource(array, layout=self._layout)
        # X may have another layout than that of fit, and weights then have it, too.
        layout = replace(self._layout, row_shape=tuple(array.shape[1:]))
        weights = PixelWeights(pixel_weight, layout, array.shape[0])
        source = WeightedImageSource(array, self._layout, weights, fill=self.data_mean_)
        warn_of_units(source.some_known(), self.data_range_, self._layout)
        return source

    @property
    def data_mean_(self) -> float:
        """Mean of X in ``fit``, by weights where ``pixel_weight`` was given: what unknown pixels are replaced by."""
        return self._network_config["mean"]

    def _initialise(self, X, source: ImageSource, streams: Streams) -> None:
        """Fix what the data decide, and draw new weights."""
        layout, values = source.layout, source.values()
        if self.reconstruction_loss == "ssim" and layout.is_vector:
            raise InvalidInputError(
                f"reconstruction_loss='ssim' compares images; got vectors of {layout.n_features} values. Give "
                "image_shape where they are flat images; 'mse' suits vectors."
            )
        if len(layout.row_shape) == 1:
            validate_data(self, X, reset=True, skip_check_array=True)
        else:
            self.n_features_in_ = layout.n_features
            self.__dict__.pop("feature_names_in_", None)
        self._layout = layout
        self.image_shape_ = layout.image_shape
        self.data_range_ = (values.minimum, values.maximum)
        self._network_config = network_config(self, source, values)
        network = self._new_network(streams.weights)
        self.grid_ = CodeGrid(network.code_shape, self.n_embeddings, network.quantizer.depth)
        self._region_counts = network.code_counts.numpy()
        self._begin(network, streams.seed)

    def _build_network(self) -> Autoencoder:
        return build_autoencoder(
            self._network_config, self.image_shape_, self.data_range_, beta=self.beta, vq_weight=self.vq_weight
        )

    def _train(
        self,
        source: ImageSource,
        streams: Streams,
        *,
        new: bool,
        streamed: bool = False,
        tasks: FitTasks | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        network = with_loss_weights(self._network(), self.beta, self.vq_weight)
        result = train_autoencoder(
            self,
            network,
            source,
            streams,
            self._training_config(self._step_size(len(source)), streamed=streamed),
            codebook_init=self.codebook_init if new else None,
            validation_fraction=self.validation_fraction if self.early_stopping and not streamed else 0,
            tasks=tasks,
            checkpoint=checkpoint,
        )
        if result.statistics is not None:
            self._region_counts = result.statistics
        self._take(network, result)
        warn_of_collapse(self.code_counts_)

    def _attributes_after(self, network: Autoencoder, history: dict[str, list]) -> dict:
        return {
            **super()._attributes_after(network, history),
            "codebook_": network.quantizer.codebook_array(),
            "code_counts_": counts_of_codes(self._region_counts, self.grid_.depth),
        }

    def _encode(self, source: ImageSource, dtype: np.typing.DTypeLike = np.int64) -> np.ndarray:
        """Return codes (n, n_codes) that no row's neighbours have a say in.

        The last bits of a float depend on the size of the batch that it was computed in. So rows are run in full
        batches. A few rows are run in a smaller one, unless a code is so close to another that these bits could decide.
        """
        size = self._size_for(len(source))
        quantizer = self._network().quantizer
        if size < self._inference_batch_size() and quantizer.finds_nearest:
            latents = self._compiled("latents", self._network().latents)
            found = latents.one_batch((source.rows(slice(None)),), size)
            codes, margins = codes_with_margins(found, self.codebook_.reshape(-1, *self.codebook_.shape[-2:]))
            if margins.min() > SAFE_MARGIN:
                return codes.reshape(len(source), -1).astype(dtype)
        return self._of_images("encode", source, dtype=dtype)

    def _of_images(self, name: str, source: ImageSource, dtype: Any = None) -> np.ndarray:
        """Run a method of the network on images, batch by batch; nothing is held but a batch and the result."""
        function = self._compiled(name, getattr(self._network(), name))
        size = self._inference_batch_size()
        result: Any = None
        start = 0
        with closing(source.batches(size)) as batches:
            for images in batches:
                answer = function.one_batch((images,), size)
                if result is None:
                    result = np.empty((len(source), *answer.shape[1:]), dtype or answer.dtype)
                result[start : start + len(answer)] = answer
                start += len(answer)
        return result

    def _images_of_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Return the images (n, *image_shape) of embeddings or latents (n, n_positions, embedding_dim)."""
        network = self._network()
        if self.output == "quantized" and self.grid_.depth > 1:
            # A sum of embeddings does not tell which they were, but it is all that the decoder needs.
            reconstruct = self._compiled("reconstruct_from", network.reconstruct_from)
            maps = vectors.reshape(len(vectors), *self.grid_.shape, -1)
            return reconstruct.in_batches(maps, batch_size=self._size_for(len(maps)))
        if self.output == "quantized":
            return self._decode(nearest_codes(vectors, self.codebook_))
        # Not every quantiser's code for a latent is the nearest embedding's.
        assign = self._compiled("assign", network.quantizer.assign)
        codes = assign.in_batches(vectors, batch_size=self._inference_batch_size())
        return self._decode(codes.reshape(len(codes), -1))

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the images (n, *image_shape) of codes, in the user's units."""
        decode = self._compiled("decode", self._network().decode)
        return decode.in_batches(codes, batch_size=self._size_for(len(codes)))

    def _squared_errors(self, images: np.ndarray, weights: np.ndarray | None = None) -> RowErrors:
        """Return the error of each of at most one batch of images."""
        reconstruct = self._compiled("reconstruct", self._network().reconstruct)
        return row_errors(images, reconstruct.one_batch((images,), self._inference_batch_size()), weights)

    def _errors(self, source: ImageSource, indices: np.ndarray | None = None) -> RowErrors:
        """Return the error of each row, or of the rows of these indices."""
        size = self._inference_batch_size()
        if indices is None and self._size_for(len(source)) < size:
            images, weights = source.weighted_rows(slice(None))
            return joined([row_errors(images, self._decode(self._encode(source)), weights)])
        spans = [slice(start, start + size) for start in range(0, len(source if indices is None else indices), size)]
        parts = spans if indices is None else [indices[span] for span in spans]
        return joined([self._squared_errors(*source.weighted_rows(part)) for part in parts])

    def _batch_size(self) -> int:
        if self.batch_size != "auto":
            return self.batch_size
        return int(np.clip(2**18 // self._values_per_image(), 1, 32))

    def _size_for(self, n_rows: int) -> int:
        """Return the size of batch to run so many rows in: a small one where the whole call is small."""
        full = self._inference_batch_size()
        return next((size for size in SMALL_BATCHES if n_rows <= size < full), full)

    def _inference_batch_size(self) -> int:
        return int(np.clip(2**20 // self._values_per_image(), 1, 128))

    def _values_per_image(self) -> int:
        """Memory per image: the larger of its pixels and 1/32 of its latent-to-codebook distances."""
        n_distances = self.grid_.n_positions * self.grid_.n_embeddings
        return max(math.prod(self.image_shape_), n_distances // 32)

    def graph_functions(self) -> dict[str, GraphFunction]:
        """Return what an exporter may trace: ``encoder``, ``decoder`` and ``reconstruct``; also ``encoder_uint8``
        where X was uint8.

        Returns
        -------
        dict of GraphFunction
        """
        network = self._network()
        latents = self._compiled("latents", network.latents)
        size = self._inference_batch_size()
        return vqvae_graphs(network, self._layout, lambda images: latents.in_batches(images, batch_size=size))

    def describe(self) -> ModelDescription:
        """Return what a runtime must know about this model besides its graphs."""
        check_fitted(self)
        return ModelDescription(
            grid=self.grid_,
            layout=self._layout,
            data_range=self.data_range_,
            decoder_digest=weights_digest(self._weights),
        )

    @property
    def _n_features_out(self) -> int:
        return n_features(self.output, self.grid_, self.codebook_.shape[-1])

    def _draw_independently(self, n_samples: int, y, options: SamplingOptions, random_state) -> np.ndarray:
        """Draw each code (n, n_codes) from the frequencies of codes at its position, or in its block of positions."""
        if y is not None or not options.is_plain:
            given = ", ".join(f"{name}={value!r}" for name, value in {"y": y, **options._asdict()}.items())
            raise InvalidInputError(
                f"y, temperature, top_k and top_p need a prior; got prior=None and {given}. Fit a PixelCNNPrior on the "
                "codes, and pass it."
            )
        counts = self._region_counts.astype(np.float64)
        if not counts.sum():
            raise InvalidInputError(
                "sample needs a prior here: fit ended before its first epoch, so no code was counted. Fit again."
            )
        cumulative = np.cumsum(counts / counts.sum(axis=1, keepdims=True), axis=1)  # (regions, K)
        regions = self._network().code_counts.regions
        drawn = uniforms(random_state, n_samples, len(regions))
        codes = [np.searchsorted(cumulative[r], u, side="right") for r, u in zip(regions, drawn.T, strict=True)]
        return np.minimum(np.stack(codes, axis=1), counts.shape[1] - 1)


def codes_with_margins(latents: np.ndarray, codebook: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of the nearest embeddings of each latent, and their leads over the next ones.

    Parameters
    ----------
    latents : ndarray of shape (..., embedding_dim)
    codebook : ndarray of shape (depth, n_embeddings, embedding_dim), n_embeddings >= 2
        Of each stage.

    Returns
    -------
    codes : ndarray of shape (..., depth), int32
    margins : ndarray of shape (..., depth), float64
        Relative to the size of the scores that are compared.
    """
    latents, codebook = latents.astype(np.float64), codebook.astype(np.float64)
    magnitudes, codes, margins = np.abs(latents), [], []
    for table in codebook:
        half_norms = 0.5 * np.square(table).sum(axis=-1)
        scores = latents @ table.T - half_norms  # (..., K)
        second, best = np.moveaxis(np.partition(scores, -2, axis=-1)[..., -2:], -1, 0)
        # What is left of a latent is as uncertain as the latent itself, however small it is.
        sizes = magnitudes @ np.abs(table).max(axis=0) + half_norms.max()
        codes.append(scores.argmax(axis=-1).astype(np.int32))
        margins.append((best - second) / (sizes + 1e-30))
        latents = latents - table[codes[-1]]
    return np.stack(codes, axis=-1), np.stack(margins, axis=-1)
