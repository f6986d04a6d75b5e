"""Both stages as one estimator: a VQ-VAE, and a prior over its codes."""

import math
import os
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.metaestimators import available_if

from skvq._bases import ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from skvq._callbacks import CallbackSupportMixin, FitTasks, with_callbacks
from skvq._codecs import codec_of
from skvq._contract.codes import CodeGrid
from skvq._contract.description import ModelDescription
from skvq._contract.errors import InvalidInputError
from skvq._contract.graph import GraphFunction
from skvq._contract.images import spread_indices
from skvq._contract.randomness import RandomStateLike
from skvq._data import ImageSource, check_images
from skvq._estimator import SkvqEstimator, restored_on_error
from skvq._fitted import check_fitted
from skvq._stages import begun, check_stages, hand_checkpoint, routed, stage_router, unwrapped, with_grid
from skvq._vqvae.errors import mean_error
from skvq.compression.codec import Codec
from skvq.compression.methods import CompressionMixin
from skvq.priors.base import Prior
from skvq.priors.pixelcnn import PixelCNNPrior
from skvq.training import TRAINING_ADVICE
from skvq.vqvae import VQVAE

NOISE_ROWS = 1024  # training rows that the noise variance is measured on


def _prior_learns_in_parts(model: "VQGenerator") -> bool:
    """Raise unless the prior has ``partial_fit``; without it the generator has none, as scikit-learn wants it."""
    prior = unwrapped(model.prior)
    if prior is not None and not hasattr(prior, "partial_fit"):
        raise AttributeError(f"partial_fit needs a prior that learns in parts; got {type(prior).__name__}. Call fit.")
    return True


class VQGenerator(
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
    CompressionMixin,
    CallbackSupportMixin,
    SkvqEstimator,
):
    """A VQ-VAE and a prior over its codes, fitted one after the other.

    The prior gets the grid of the VQ-VAE, so neither its shape nor its number of codes is ever guessed.

    Parameters
    ----------
    vqvae : VQVAE, default=None
        First stage. None is ``VQVAE()``. Wrapped in :class:`sklearn.frozen.FrozenEstimator`, a fitted one is used as
        it is.
    prior : PixelCNNPrior, ContextPrior or another prior, default=None
        Second stage. None is ``PixelCNNPrior()``.

    checkpoint : str or path-like, default=None
        Folder in which ``fit`` keeps the state of each stage after each epoch, in sub-folders ``vqvae`` and ``prior``,
        unless a stage has a ``checkpoint`` of its own. The same fit, started again, goes on from there.

    Attributes
    ----------
    vqvae_ : VQVAE
        Fitted clone of ``vqvae``.
    prior_ : Prior
        Fitted clone of ``prior``.
    grid_ : CodeGrid
        Of both.
    classes_ : ndarray of shape (n_classes,) or None
        None unless the prior is conditional.
    noise_variance_ : float
        Mean squared error of reconstructions on (at most 1,024 of) the training rows, in squared units of X.
    n_features_in_ : int
        Values in a row of X.
    feature_names_in_ : ndarray of str
        Where X had column names.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq import VQVAE, PixelCNNPrior, VQGenerator
    >>> X = np.random.default_rng(0).random((64, 8, 8), dtype=np.float32)
    >>> vqvae = VQVAE(8, hidden_channels=8, max_iter=1, random_state=0)
    >>> prior = PixelCNNPrior(hidden_channels=8, n_layers=1, max_iter=1, random_state=0)
    >>> model = VQGenerator(vqvae, prior).fit(X)
    >>> model.sample(3, random_state=0).shape
    (3, 8, 8)
    >>> str(model.grid_)
    '2 × 2 codes of 8'
    """

    # It is for the VQ-VAE, of which it is requested.
    __metadata_request__fit = {"pixel_weight": UNUSED}
    __metadata_request__partial_fit = {"pixel_weight": UNUSED}
    __metadata_request__score = {"pixel_weight": UNUSED}

    _parameter_constraints = {
        "vqvae": [VQVAE, FrozenEstimator, None],
        "prior": [Prior, FrozenEstimator, None],
        "checkpoint": [str, os.PathLike, None],
    }
    _parameter_advice = {
        "vqvae": "The order is VQGenerator(vqvae, prior).",
        "prior": "The order is VQGenerator(vqvae, prior); subclass skvq.priors.Prior for a prior of your own.",
        "checkpoint": TRAINING_ADVICE["checkpoint"],
    }

    vqvae_: VQVAE
    prior_: Prior
    grid_: CodeGrid
    classes_: np.ndarray | None
    noise_variance_: float | None
    n_features_in_: int

    def __init__(
        self,
        vqvae: VQVAE | None = None,
        prior: Prior | None = None,
        *,
        checkpoint: str | os.PathLike | None = None,
    ):
        self.vqvae = vqvae
        self.prior = prior
        self.checkpoint = checkpoint

    @classmethod
    def from_fitted(cls, vqvae: VQVAE, prior: Prior) -> "VQGenerator":
        """Return a fitted generator of two fitted estimators, which it holds as they are.

        Parameters
        ----------
        vqvae : fitted VQVAE
        prior : fitted prior
            Of codes that fit ``vqvae.grid_``.

        Raises
        ------
        InvalidInputError
            If the two are swapped, or their grids differ.
        NotFittedError
            If one is not fitted.
        """
        model = cls(vqvae, prior)
        model._check_params()
        for name, part in (("vqvae", vqvae), ("prior", prior)):
            check_fitted(unwrapped(part), parameter=name)
        model._adopt(unwrapped(vqvae), unwrapped(prior), None)
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "prior_")

    @with_callbacks
    def fit(self, X: Any, y: Any = None, *, pixel_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the VQ-VAE on X, then the prior on its codes.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
        y : array-like of shape (n,), default=None
            Classes, for a conditional prior.
        pixel_weight : array-like of shape (n, height, width), or callable, default=None
            As for :meth:`VQVAE.fit`. With metadata routing enabled, the VQ-VAE has to request it by
            ``set_fit_request(pixel_weight=True)``.
        **fit_params
            With metadata routing enabled, what the two stages request.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If the stages are swapped or do not fit each other, y is missing for a conditional prior, or X is no set of
            images.
        NotFittedError
            If a frozen stage is not fitted.
        """
        self._check_params()
        vqvae = begun("vqvae", self.vqvae, VQVAE)
        prior = begun("prior", self.prior, PixelCNNPrior)
        check_stages(self, vqvae, prior, y)
        metadata = routed(self, "fit", pixel_weight, fit_params)
        X = X if hasattr(X, "shape") else check_images(X)
        for name, part in (("vqvae", vqvae), ("prior", prior)):
            if not isinstance(getattr(self, name), FrozenEstimator):
                hand_checkpoint(part, self.checkpoint, name)
        tasks = FitTasks(self, X, y, 2)
        with restored_on_error(self):
            with tasks.stage("fit-vqvae", vqvae):
                if not isinstance(self.vqvae, FrozenEstimator):
                    vqvae.fit(X, **metadata["vqvae"])
            source = vqvae._source(X, metadata["vqvae"].get("pixel_weight"))
            codes = vqvae._encode(source, vqvae.grid_.dtype)
            with tasks.stage("fit-prior", prior):
                if not isinstance(self.prior, FrozenEstimator):
                    with_grid(prior, vqvae.grid_).fit(codes, y, **metadata["prior"])
            self._adopt(vqvae, prior, source)
        tasks.end()
        return self

    @available_if(_prior_learns_in_parts)
    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, *, pixel_weight: Any = None) -> Self:
        """Train both stages for one pass over X.

        The prior learns the codes that the VQ-VAE makes after its own pass. Codes drift while the VQ-VAE learns, so in
        a long stream train it first and alone.

        Parameters
        ----------
        X : array-like
            As for ``fit``.
        y : array-like of shape (n,), default=None
            Classes, for a conditional prior.
        classes : array-like, default=None
            All classes that will come; needed in the first call where its y lacks some.
        pixel_weight : array-like of shape (n, height, width), or callable, default=None
            As for ``fit``.

        Returns
        -------
        self
        """
        self._check_params()
        weights = routed(self, "partial_fit", pixel_weight, {})["vqvae"]
        if self.__sklearn_is_fitted__():
            vqvae, prior = self.vqvae_, self.prior_
        else:
            vqvae = begun("vqvae", self.vqvae, VQVAE)
            prior = begun("prior", self.prior, PixelCNNPrior)
            check_stages(self, vqvae, prior, y)
        with restored_on_error(self), restored_on_error(vqvae), restored_on_error(prior):
            if not isinstance(self.vqvae, FrozenEstimator):
                vqvae.partial_fit(X, **weights)
            source = vqvae._source(X, **weights)
            if not isinstance(self.prior, FrozenEstimator):
                with_grid(prior, vqvae.grid_).partial_fit(vqvae._encode(source, vqvae.grid_.dtype), y, classes)
            self._adopt(vqvae, prior, source)
        return self

    def _adopt(self, vqvae: VQVAE, prior: Prior, source: ImageSource | None) -> None:
        vqvae.grid_.require(prior.grid_)
        self.vqvae_, self.prior_ = vqvae, prior
        self.grid_ = vqvae.grid_
        self.classes_ = prior.classes_
        self.noise_variance_ = None
        if source is not None:
            errors = vqvae._errors(source, spread_indices(len(source), NOISE_ROWS))
            smallest = np.finfo(np.float32).eps * max(map(abs, vqvae.data_range_)) or 1.0
            self.noise_variance_ = max(mean_error([errors]), float(smallest) ** 2)
        self.n_features_in_ = vqvae.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(vqvae, "feature_names_in_"):
            self.feature_names_in_: Any = vqvae.feature_names_in_

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of images, whatever ``vqvae.output`` says.

        Returns
        -------
        ndarray of shape (n, n_codes), int64
            Row-major over ``grid_``.
        """
        check_fitted(self)
        return self.vqvae_.encode(X)

    def inverse_transform(self, X: Any, n_quantizers: int | None = None) -> np.ndarray:
        """Return the images of codes.

        Parameters
        ----------
        X : array-like of shape (n, n_codes), or (n, n_positions * n_quantizers)
        n_quantizers : int, default=None
            Use the codes of the first ``n_quantizers`` at each position only. None uses all.

        Returns
        -------
        ndarray
            In the shape, dtype and units of ``fit``'s X.
        """
        check_fitted(self)
        if n_quantizers is None:
            X = self.prior_.inverse_transform(X)
        return self.vqvae_.inverse_transform(X, n_quantizers)

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return the images of the codes of X."""
        check_fitted(self)
        return self.vqvae_.reconstruct(X)

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
        """Draw new images.

        Parameters
        ----------
        n_samples, y, temperature, top_k, top_p, select, random_state
            As for :meth:`PixelCNNPrior.sample`.

        Returns
        -------
        ndarray
            Images in the shape, dtype and units of ``fit``'s X.
        """
        check_fitted(self)
        options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "select": select}
        return self.inverse_transform(self.prior_.sample(n_samples, y, **options, random_state=random_state))

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
        """Keep the known codes of images, draw the others, and return the images.

        Parameters
        ----------
        X : array-like
            Images, as for ``fit``.
        mask : array-like of bool, of shape grid_.shape, (n, *grid_.shape), (n_codes,) or (n, n_codes)
            True where the code of that position is kept.
        y, temperature, top_k, top_p, random_state
            As for :meth:`PixelCNNPrior.complete`.

        Returns
        -------
        ndarray
            Images in the shape, dtype and units of ``fit``'s X.
        """
        codes = self.transform(X)
        self.grid_.check_mask(mask, len(codes))
        options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return self.inverse_transform(self.prior_.complete(codes, mask, y, **options, random_state=random_state))

    def score_samples(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the log-likelihood of the codes of each image.

        Returns
        -------
        ndarray of shape (n,), float64, in nats
        """
        return self.prior_.score_samples(self.transform(X), y)

    def bits_per_image(self, X: Any, y: Any = None) -> float:
        """Return the mean cost of an image's codes under the prior, in bits."""
        return float(-self.score_samples(X, y).mean() / math.log(2))

    def score(self, X: Any, y: Any = None, *, pixel_weight: Any = None) -> float:
        """Return the mean log-likelihood of an image in two parts: its codes, and what they leave out.

        The pixels are taken as normally distributed around the reconstruction with ``noise_variance_``. Of all codes
        that could have made an image only the encoder's count, so this is a lower bound of the model's log-density. It
        rises with better reconstructions and with a better prior: a search over the parameters of both stages can
        use it.

        Parameters
        ----------
        X : array-like
            Images, as for ``fit``.
        y : array-like of shape (n,) or one class, default=None
            Classes, for a conditional prior.
        pixel_weight : array-like of shape (n, height, width), or callable, default=None
            As for ``fit``, relative to the largest weight: a pixel's share of the log-likelihood is multiplied by it,
            and pixels of weight 0 are neither encoded nor counted.

        Returns
        -------
        float
            In nats an image.
        """
        weights = routed(self, "score", pixel_weight, {})["vqvae"]
        check_fitted(self)
        if self.noise_variance_ is None:
            raise InvalidInputError(
                "score must know noise_variance_, which fit measures; got a generator made by from_fitted. Set "
                "model.noise_variance_ = model.vqvae_.reconstruction_errors(X_train).mean()."
            )
        source = self.vqvae_._source(X, **weights)
        errors, totals, largest = self.vqvae_._errors(source)
        n_values: Any = math.prod(self.vqvae_.image_shape_)
        if totals is not None:
            errors, n_values = np.nan_to_num(errors), totals / largest
        residuals = -0.5 * n_values * (math.log(2 * math.pi * self.noise_variance_) + errors / self.noise_variance_)
        codes = self.vqvae_._encode(source)
        return float((self.prior_.score_samples(codes, y) + residuals).mean())

    def graph_functions(self) -> dict[str, GraphFunction]:
        """Return what an exporter may trace: the parts of both stages.

        Returns
        -------
        dict of GraphFunction
        """
        check_fitted(self)
        return {**self.vqvae_.graph_functions(), **self.prior_.graph_functions()}

    def describe(self) -> ModelDescription:
        """Return what a runtime must know about this model besides its graphs."""
        check_fitted(self)
        images, codes = self.vqvae_.describe(), self.prior_.describe()
        return replace(images, prior_grid=codes.prior_grid, classes=codes.classes, tables=codes.tables)

    def _codec(self, method: str) -> Codec:
        return codec_of(self, method)

    def get_metadata_routing(self) -> Any:
        """Return the router that hands metadata to the two stages."""
        vqvae = self.vqvae if self.vqvae is not None else VQVAE()
        return stage_router(self, vqvae, self.prior if self.prior is not None else PixelCNNPrior())

    @property
    def _n_features_out(self) -> int:
        return self.grid_.n_codes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = bool(getattr(unwrapped(self.prior), "conditional", False))
        tags.transformer_tags.preserves_dtype = []
        return tags
