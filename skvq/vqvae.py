"""The VQ-VAE as a scikit-learn transformer: images to discrete codes and back."""

import os
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.utils import check_array

from skvq._bases import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from skvq._callbacks import FitTasks, with_callbacks
from skvq._contract.counts import check_n_samples
from skvq._contract.errors import invalid
from skvq._contract.masks import check_unmasked
from skvq._contract.randomness import RandomStateLike
from skvq._contract.sampling import SamplingOptions
from skvq._estimator import restored_on_error
from skvq._fitted import check_fitted
from skvq._outputs import check_output, check_vectors, features_of_codes, holds_vectors
from skvq._vqvae.parameters import PARAMETER_ADVICE, PARAMETER_CONSTRAINTS
from skvq._vqvae.scoring import ScoredAutoencoder


class VQVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ScoredAutoencoder):
    """Vector-quantised variational autoencoder.

    An encoder maps each image to a small grid of latents, each latent is replaced by the nearest of
    ``n_embeddings`` embeddings, and a decoder maps the grid of embeddings back to the image. The numbers of those
    embeddings are the image's codes.

    The loss of a batch is ``reconstruction + vq_weight * (codebook + beta * commitment)``.

    Parameters
    ----------
    n_embeddings : int, default=128
        Number of codes K. An image costs at most ``log2(K)`` bits a position, for each of ``n_quantizers``.
    embedding_dim : int, default=16
        Length D of an embedding.
    beta : float, default=0.25
        Weight of the commitment term, which pulls latents to their embeddings, in [0, inf). The paper's β, where the
        reconstruction term is the squared error over the data's variance, as it is here under ``"mse"``.
    vq_weight : float, default=1.0
        Weight of the codebook and commitment terms together, in [0, inf). Under ``quantizer="ema"`` there is no
        codebook term, and only the product ``vq_weight * beta`` acts; under ``"fsq"`` neither does.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)`` when the rows of X are flat images. None takes the
        shape of X; flat rows are then vectors, for a dense network.
    architecture : {"auto", "conv", "dense"} or callable, default="auto"
        ``"auto"`` is ``"conv"`` for images and ``"dense"`` for vectors. ``"conv"`` takes flat rows without
        ``image_shape`` as signals: images one pixel high. A callable is what :mod:`skvq.networks.architectures`
        describes.
    downsampling : {1, 2, 4, 8, 16, 32}, default=4
        Pixels to a code in each direction; for vectors, features to a code.
    hidden_channels : int, default=64
        Channels of the hidden layers; with ``"conv"`` at the codes' resolution, and fewer where maps are larger.
    n_residual_blocks : int, default=2
        Residual blocks in the encoder and in the decoder.
    quantizer : {"ema", "gradient", "fsq"} or class, default="ema"
        How the codebook learns: moving averages, the paper's loss term, or a fixed grid. A class is a
        subclass of :class:`skvq.networks.quantizers.Quantizer`.
    ema_decay : float, default=0.95
        Weight of the past in the moving averages, in [0, 1).
    n_quantizers : int, default=1
        Codes at each position, in [1, 32]: residual quantisation. Each quantiser has a codebook of its own, and codes
        what the ones before it left; ``inverse_transform`` can rebuild images from the first ones alone. Above 1, pass
        ``grid_`` to a prior. ``"fsq"`` takes 1 only.
    quantizer_dropout : float, default=0.5
        Fraction of training images that are rebuilt from fewer quantisers than ``n_quantizers``, in [0, 1]. 0 serves
        all of them best, and the first ones alone badly.
    codebook_init : {"kmeans", "random"}, default="kmeans"
        How the codebook starts: at k-means of the latents, after a few steps without quantisation; or at random
        numbers in [-1, 1], from the first step on. With ``quantizer="fsq"`` the codebook is fixed; this only decides
        whether training starts without quantisation.
    restart_threshold : float, default=0.35
        Codes used less than this fraction of the mean usage are re-initialised to a random latent, in [0, 1]. They are
        looked for every 25 steps in the first four fifths of training. Evenly used codes carry more information, and
        cost a prior more bits: 0.03 restarts dead codes only, 0 none.
    reconstruction_loss : {"mse", "mae", "bce", "ssim"} or callable, default="mse"
        Divided by its value for a constant image of the data's mean, so that the weights mean the same under each loss
        and at every scale of X. :mod:`skvq.networks.losses` explains how the terms interact.
    output : {"codes", "quantized", "latents", "histogram"}, default="codes"
        What ``transform`` returns: codes; their embeddings; the latents before quantisation; or the share of each code
        in the image. Code numbers are names, not quantities: a classifier needs another output, or codes one-hot. Can
        be changed after ``fit`` without refitting.
    optimizer : {"adam", "adamw", "nadam", "rmsprop", "sgd"} or keras.optimizers.Optimizer, default="adam"
        An instance is copied. It keeps its own learning rate, clipping and weight decay, and ``learning_rate``,
        ``schedule``, ``warmup_steps`` and ``clip_norm`` are ignored.
    learning_rate : float, default=0.003
        Learning rate at the start of the schedule.
    schedule : {"linear", "cosine", "constant"}, default="linear"
        How the learning rate falls over ``max_iter`` epochs.
    warmup_steps : int, default=0
        Steps over which the learning rate rises to its value.
    clip_norm : float or None, default=1.0
        Gradient clipping: gradients with a larger global norm are scaled down to it. None turns it off.
    batch_size : int or "auto", default="auto"
        Images to a step. ``"auto"`` is 32, and fewer where images are large: for a given time, many small steps
        learn more than few large ones.
    max_iter : int, default=20
        Epochs.
    early_stopping : bool, default=False
        Whether ``fit`` holds out ``validation_fraction`` of X, stops after ``n_iter_no_change`` epochs in which its
        mean squared error over the data's variance fell by less than ``tol``, and restores the best epoch's weights.
        Nothing is held out of fewer than 10 rows, and ``partial_fit`` trains on all.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=5
    tol : float, default=1e-4
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights of the last call.
    verbose : int, default=0
        1 reports every epoch, with a progress bar in a terminal; 2 draws the bar everywhere.
    checkpoint : str or path-like, default=None
        Folder in which ``fit`` keeps its state after each epoch. The same fit, started again, goes on from there.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    codebook_ : ndarray of shape (n_embeddings, embedding_dim), or (n_quantizers, n_embeddings, embedding_dim)
        The latter where ``n_quantizers`` is above 1.
    grid_ : CodeGrid
        Shape of an image's codes, number of embeddings, and codes at each position (``depth``); ``transform`` returns
        rows in row-major order over it, all codes of a position side by side.
    image_shape_ : tuple of int
        ``(height, width, channels)``, or ``(n_features,)`` for vectors.
    data_range_ : tuple of float
        Smallest and largest value of X in ``fit``; images are reconstructed within it.
    data_mean_ : float
        Mean of X in ``fit``, by weights where ``pixel_weight`` was given: what unknown pixels are replaced by.
    code_counts_ : ndarray of shape (n_embeddings,), or (n_quantizers, n_embeddings)
        Uses of each code in the epoch whose weights were kept. If the codebook was initialised during that epoch,
        counting starts there.
    history_ : dict of list
        Per epoch: ``loss``, ``reconstruction_loss``, ``codebook_loss``, ``commitment_loss``, ``perplexity``,
        ``codes_in_use``, ``learning_rate``, and ``val_loss`` with early stopping. Where ``n_quantizers`` is above 1,
        ``perplexity`` is the mean over them, beside ``perplexity_1``, ``perplexity_2``, …, and the other terms are
        sums.
    n_iter_ : int
        Epochs run.
    n_features_in_ : int
        Values in a row of X.
    feature_names_in_ : ndarray of str
        Where X had column names.

    Notes
    -----
    In a search with ``n_jobs``, each worker starts TensorFlow with as many threads as the machine has cores. So results
    do not depend on ``n_jobs``: with another number of threads, convolutions sum in another order and differ in the
    last digits. With many workers, set the environment variables ``TF_NUM_INTRAOP_THREADS`` and
    ``TF_NUM_INTEROP_THREADS`` before Python starts. The process and all its workers, of joblib and of Dask, then use
    the same number, and results stay equal.

    References
    ----------
    van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", NeurIPS 2017, arXiv:1711.00937.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq import VQVAE
    >>> X = np.random.default_rng(0).random((64, 8, 8), dtype=np.float32)
    >>> vqvae = VQVAE(n_embeddings=8, hidden_channels=8, max_iter=1, random_state=0).fit(X)
    >>> codes = vqvae.transform(X)
    >>> codes.shape, str(vqvae.grid_)
    ((64, 4), '2 × 2 codes of 8')
    >>> vqvae.inverse_transform(codes).shape
    (64, 8, 8)

    Codes as features, one-hot:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> y = X.mean(axis=(1, 2)) > 0.5
    >>> pipe = make_pipeline(vqvae, OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(X, y)
    >>> pipe.predict(X).shape
    (64,)
    """

    _parameter_constraints = PARAMETER_CONSTRAINTS
    _parameter_advice = PARAMETER_ADVICE

    def __init__(
        self,
        n_embeddings: int = 128,
        embedding_dim: int = 16,
        *,
        beta: float = 0.25,
        vq_weight: float = 1.0,
        image_shape: tuple[int, ...] | None = None,
        architecture: str | Callable[..., Any] = "auto",
        downsampling: int = 4,
        hidden_channels: int = 64,
        n_residual_blocks: int = 2,
        quantizer: str | type = "ema",
        ema_decay: float = 0.95,
        n_quantizers: int = 1,
        quantizer_dropout: float = 0.5,
        codebook_init: str = "kmeans",
        restart_threshold: float = 0.35,
        reconstruction_loss: str | Callable[..., Any] = "mse",
        output: str = "codes",
        optimizer: Any = "adam",
        learning_rate: float = 0.003,
        schedule: str = "linear",
        warmup_steps: int = 0,
        clip_norm: float | None = 1.0,
        batch_size: int | str = "auto",
        max_iter: int = 20,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        random_state: RandomStateLike = None,
    ):
        self.n_embeddings = n_embeddings
        self.embedding_dim = embedding_dim
        self.beta = beta
        self.vq_weight = vq_weight
        self.image_shape = image_shape
        self.architecture = architecture
        self.downsampling = downsampling
        self.hidden_channels = hidden_channels
        self.n_residual_blocks = n_residual_blocks
        self.quantizer = quantizer
        self.ema_decay = ema_decay
        self.n_quantizers = n_quantizers
        self.quantizer_dropout = quantizer_dropout
        self.codebook_init = codebook_init
        self.restart_threshold = restart_threshold
        self.reconstruction_loss = reconstruction_loss
        self.output = output
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.clip_norm = clip_norm
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.random_state = random_state

    @with_callbacks
    def fit(self, X: Any, y: Any = None, *, pixel_weight: Any = None) -> Self:
        """Learn the codebook and the networks.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            uint8 or floats in any range. Memory-mapped arrays, files of images (:func:`skvq.datasets.open_images`),
            zarr, HDF5, Dask, xarray, and whatever else slices like an array, are read batch by batch. Rows in chunks
            are shuffled in windows: chunks come in random order, and the rows of as many as fit into 64 MiB, but at
            least four, are shuffled together. Other rows are shuffled as a whole.
        y : None
            Ignored.
        pixel_weight : array-like of shape (n, height, width), or callable, default=None
            How much each pixel counts in the reconstruction loss, relative to the others: a background may weigh 0.1
            and a foreground 1. It may be what broadcasts to that shape, such as one map (height, width), or a function
            of a batch of rows of X, in the layout and units of X, which returns such an array. For vectors, its shape
            is (n, n_features). A pixel of weight 0 is unknown: its value, which may be NaN, changes nothing.
            ``transform`` takes no weights: fill unknown pixels there by ``np.where(pixel_weight > 0, X, data_mean_)``,
            as ``fit`` does. A loss of your own needs an argument ``weights``; see :mod:`skvq.networks.losses`.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If X is empty, has another rank or shape than ``image_shape`` says, or holds NaN or infinity; if a weight
            is negative or infinite, or all are 0; or if a parameter is out of its range.
        """
        self._check_params()
        continues = self.warm_start and self.__sklearn_is_fitted__()
        source = self._continued_source(X, pixel_weight) if continues else self._new_source(X, pixel_weight)
        streams, checkpoint = self._start(source, new=not continues)
        tasks = FitTasks(self, X, y, self.max_iter)
        with restored_on_error(self):
            if not continues:
                self._initialise(X, source, streams)
            self._train(source, streams, new=not continues, tasks=tasks, checkpoint=checkpoint)
        tasks.end()
        return self

    def partial_fit(self, X: Any, y: Any = None, *, pixel_weight: Any = None) -> Self:
        """Train for one pass over X, all of it, from the present weights, at a constant learning rate.

        The first call's X decides units and range of the values.

        Parameters
        ----------
        X : array-like
            As for ``fit``.
        y : None
            Ignored.
        pixel_weight : array-like or callable, default=None
            As for ``fit``; relative to each other within one call.

        Returns
        -------
        self
        """
        self._check_params()
        new = not self.__sklearn_is_fitted__()
        source = self._new_source(X, pixel_weight) if new else self._continued_source(X, pixel_weight)
        streams, _ = self._start(source, new=new, streamed=True)
        with restored_on_error(self):
            if new:
                self._initialise(X, source, streams)
            self._train(source, streams, new=new, streamed=True)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of images, or what else ``output`` says.

        Parameters
        ----------
        X : array-like
            Images in any layout of ``fit``'s X.

        Returns
        -------
        ndarray of shape (n, n_features_out)
            By ``output``: ``"codes"`` int64 in [0, n_embeddings), row-major over ``grid_``, the codes of a position
            side by side; ``"quantized"`` and ``"latents"`` float32, the vectors of length embedding_dim at these
            positions side by side; ``"histogram"`` float32, for each quantiser n_embeddings shares that sum to 1.
        """
        check_fitted(self)
        check_output(self.output)
        source = self._source(X)
        if self.output == "latents":
            return self._of_images("latents", source).reshape(len(source), -1)
        if self.output == "codes":
            return self._encode(source)
        return features_of_codes(self.output, self._encode(source, self.grid_.dtype), self.codebook_)

    def encode(self, X: Any) -> np.ndarray:
        """Return the codes of images, whatever ``output`` says.

        Returns
        -------
        ndarray of shape (n, n_codes), int64
        """
        check_fitted(self)
        return self._encode(self._source(X))

    def inverse_transform(self, X: Any, n_quantizers: int | None = None) -> np.ndarray:
        """Return the images of codes.

        Parameters
        ----------
        X : array-like of shape (n, n_codes) or (n, n_positions * embedding_dim)
            Codes: integers in [0, n_embeddings). When ``output`` is ``"quantized"`` or ``"latents"``, floats are such
            vectors, and stand for their nearest codes. Sums of several embeddings are decoded as they are.
        n_quantizers : int, default=None
            Use the codes of the first ``n_quantizers`` only. X holds the codes of all, or of these alone,
            (n, n_positions * n_quantizers). None uses all.

        Returns
        -------
        ndarray
            In the shape, dtype and units of ``fit``'s X.

        Raises
        ------
        InvalidInputError
            If codes are fractional, out of range, or do not fill ``grid_``; if X holds histograms; or if
            ``n_quantizers`` is out of its range, or comes with vectors.
        """
        check_fitted(self)
        check_output(self.output)
        check_unmasked("X", X)
        X = check_array(X, dtype="numeric", input_name="X")
        if not holds_vectors(self.output, X):
            images = self._decode(self.grid_.check_first(X, n_quantizers))
        elif n_quantizers is not None:
            raise invalid("n_quantizers", "be None for vectors", n_quantizers, "Pass codes, from encode.")
        else:
            images = self._images_of_vectors(check_vectors(X, self.grid_.n_positions, self.codebook_.shape[-1]))
        return self._layout.from_images(images)

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return the images of the codes of X."""
        return self.inverse_transform(self.encode(X))

    def sample(
        self,
        n_samples: int = 1,
        prior: Any = None,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: RandomStateLike = None,
    ) -> np.ndarray:
        """Draw new images.

        Parameters
        ----------
        n_samples : int, default=1
        prior : fitted prior, default=None
            Of codes that fit ``grid_``. Without one, every code is drawn independently from the frequencies that codes
            had at its position in training (on large grids, in its block of positions): the least a prior must beat.
        y : array-like of shape (n_samples,) or one class, default=None
            Class of each image, for a conditional prior.
        temperature, top_k, top_p
            As in :meth:`PixelCNNPrior.sample`; for a prior only.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        ndarray
            Images in the shape, dtype and units of ``fit``'s X.

        Raises
        ------
        InvalidInputError
            If ``n_samples`` is not a positive integer, the prior is of another grid, or y or an option does not fit it
            or comes without a prior.
        """
        check_fitted(self)
        n_samples = check_n_samples(n_samples)
        options = SamplingOptions.checked(temperature, top_k, top_p)
        if prior is not None:
            check_fitted(prior, "grid_", "prior")
            self.grid_.require(prior.grid_)
            return self.inverse_transform(prior.sample(n_samples, y, **options._asdict(), random_state=random_state))
        return self.inverse_transform(self._draw_independently(n_samples, y, options, random_state))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
