"""The VQ-VAE as a scikit-learn transformer: images to discrete codes and back."""

import math
import warnings
from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skvq._arrays import check_images, from_disk, is_tensor
from skvq._callbacks import FitTasks, with_callbacks
from skvq._codebook import CodebookCare
from skvq._contract import randomness as _random
from skvq._contract.codes import CodeGrid, nearest_codes
from skvq._contract.counts import check_n_samples, perplexity_of_counts, used_codes
from skvq._contract.graph import GraphFunction
from skvq._contract.images import Layout, ValueRange, chunks, layout_of, spread, value_range
from skvq._encodings import (
    ENCODINGS,
    check_encoding,
    check_vectors,
    features_of_codes,
    holds_vectors,
    n_features,
)
from skvq._fitting import (
    TRAINING_ADVICE,
    TRAINING_CONSTRAINTS,
    NetworkEstimator,
    Streams,
    Training,
    split_validation,
)
from skvq._graph_functions import vqvae_graphs
from skvq.networks import ops
from skvq.networks.architectures import ARCHITECTURES
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.inference import compile_step, spans
from skvq.networks.losses import LOSSES, constant_picture_loss
from skvq.networks.quantizers import QUANTIZERS, Quantizer


class VQVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkEstimator):
    """Vector-quantised variational autoencoder.

    An encoder maps each image to a small grid of latents, each latent is replaced by the nearest of
    ``n_embeddings`` embeddings, and a decoder maps the grid of embeddings back to the image. The numbers of those
    embeddings are the image's codes.

    The loss of a batch is ``reconstruction + vq_weight * (codebook + beta * commitment)``.

    Parameters
    ----------
    n_embeddings : int, default=128
        Number of codes K. An image costs at most ``log2(K)`` bits a position.
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
    decay : float, default=0.95
        Weight of the past in the moving averages, in [0, 1).
    codebook_init : {"kmeans", "random"}, default="kmeans"
        Where the codebook begins: at k-means of the latents, after a few steps without quantisation; or at random
        numbers in [-1, 1], from the first step on. A fixed grid knows no difference but these steps.
    restart_threshold : float, default=0.35
        A code used less than this part of the average code's use is moved to the latent of a random patch, in
        [0, 1]. It is looked for every 25 steps in the first four fifths of training. Codes that are used evenly say
        more, and cost a prior more bits: 0.03 restarts dead codes only, 0 none.
    reconstruction_loss : {"mse", "mae", "bce", "ssim"} or callable, default="mse"
        Each is divided by its value for the data's mean as the answer to every image, so that the weights mean the
        same under each and at every scale of X; :mod:`skvq.networks.losses` says what they do to one another.
    encode : {"codes", "quantized", "latents", "histogram"}, default="codes"
        What ``transform`` answers: codes; their embeddings; the latents, as they are before quantisation; or the share
        of each code in the image. Code numbers are names, not quantities: a classifier needs another encoding, or
        codes one-hot. It may be set after ``fit``, which it has no part in.
    optimizer : {"adam", "adamw", "nadam", "rmsprop", "sgd"}, default="adam"
    learning_rate : float, default=0.003
        Rate of the first step; it falls linearly over the epochs.
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
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    codebook_ : ndarray of shape (n_embeddings, embedding_dim)
    code_shape_ : tuple of int
        Shape of an image's codes, row-major in ``transform``'s rows.
    image_shape_ : tuple of int
        ``(height, width, channels)``, or ``(n_features,)`` for vectors.
    layout_ : Layout
        Shape and dtype in which reconstructions are given.
    data_range_ : tuple of float
        Smallest and largest value of X in ``fit``; images are reconstructed within it.
    code_counts_ : ndarray of shape (n_embeddings,)
        Uses of each code in the epoch whose weights were kept; where that is the one in which the codebook began,
        from there on.
    position_counts_ : ndarray of shape (n_positions, n_embeddings)
        The same at each position.
    history_ : dict of list
        Per epoch: ``loss``, ``reconstruction_loss``, ``codebook_loss``, ``commitment_loss``, ``perplexity``,
        ``codes_in_use``, ``learning_rate``, and ``val_loss`` with early stopping.
    n_iter_ : int
        Epochs run.
    n_features_in_ : int
        Values in a row of X.
    feature_names_in_ : ndarray of str
        Where X had column names.
    weights_ : list of ndarray
        The network's weights.

    Notes
    -----
    In a search with ``n_jobs``, each worker starts TensorFlow with as many threads as the machine has cores, so that
    results do not depend on ``n_jobs``: convolutions add up in another order, and end in other last digits, under
    another number of threads. Where there are many workers, set the environment variables
    ``TF_NUM_INTRAOP_THREADS`` and ``TF_NUM_INTEROP_THREADS`` before Python starts. They hold for the process and all
    its workers alike, of joblib and of Dask, so results stay equal.

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
    >>> codes.shape, vqvae.code_shape_
    ((64, 4), (2, 2))
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

    _parameter_constraints = {
        "n_embeddings": [Interval(Integral, 2, None, closed="left")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "vq_weight": [Interval(Real, 0, None, closed="left")],
        "image_shape": [tuple, list, None],
        "architecture": [StrOptions({"auto", *ARCHITECTURES}), callable],
        "downsampling": [Options(Integral, {1, 2, 4, 8, 16, 32})],
        "hidden_channels": [Interval(Integral, 1, None, closed="left")],
        "n_residual_blocks": [Interval(Integral, 0, None, closed="left")],
        "quantizer": [StrOptions(set(QUANTIZERS)), callable],
        "decay": [Interval(Real, 0, 1, closed="left")],
        "codebook_init": [StrOptions({"kmeans", "random"})],
        "restart_threshold": [Interval(Real, 0, 1, closed="both")],
        "reconstruction_loss": [StrOptions(set(LOSSES)), callable],
        "encode": [StrOptions(set(ENCODINGS))],
        **TRAINING_CONSTRAINTS,
    }
    _parameter_advice = {
        "n_embeddings": "It is the number of codes; 128 or 512 are common.",
        "embedding_dim": "It is the length of an embedding; 16 to 64 are common.",
        "beta": "It weighs the commitment term; 0.25 is a common start.",
        "vq_weight": "It weighs the codebook and commitment terms together; 1 is a common start.",
        "image_shape": "Give (height, width) or (height, width, channels), or None for vectors.",
        "downsampling": "Pixels to a code in each direction: 4 makes 7 × 7 codes of 28 × 28 pixels.",
        "quantizer": "A class must be a subclass of skvq.networks.quantizers.Quantizer.",
        "decay": "It is the weight of the past in the codebook's moving averages; 0.95 to 0.99 are common.",
        "codebook_init": "'kmeans' keeps every code in use from the start; 'random' is the paper's way.",
        "restart_threshold": "It is a part of the average code's use; 0.35 suits most data, 0 restarts no code.",
        "encode": "It is what transform answers; a prior needs 'codes'.",
        **TRAINING_ADVICE,
    }

    def __init__(
        self,
        n_embeddings: int = 128,
        embedding_dim: int = 16,
        *,
        beta: float = 0.25,
        vq_weight: float = 1.0,
        image_shape: tuple[int, ...] | None = None,
        architecture: str | Callable = "auto",
        downsampling: int = 4,
        hidden_channels: int = 64,
        n_residual_blocks: int = 2,
        quantizer: str | type = "ema",
        decay: float = 0.95,
        codebook_init: str = "kmeans",
        restart_threshold: float = 0.35,
        reconstruction_loss: str | Callable = "mse",
        encode: str = "codes",
        optimizer: str = "adam",
        learning_rate: float = 0.003,
        batch_size: int | str = "auto",
        max_iter: int = 20,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
        random_state=None,
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
        self.decay = decay
        self.codebook_init = codebook_init
        self.restart_threshold = restart_threshold
        self.reconstruction_loss = reconstruction_loss
        self.encode = encode
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    def fit(self, X, y=None):
        """Learn the codebook and the networks.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            uint8 or floats in any range; a memory-mapped array is read batch by batch.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is empty, has another rank or shape than ``image_shape`` says, or holds NaN or infinity; or if a
            parameter is out of its range.
        """
        self._check_params()
        tasks = FitTasks(self, X, y, self.max_iter)
        continues = self.warm_start and self.__sklearn_is_fitted__()
        X, layout, remember = self._check_fit_X(X, continues)
        streams = Streams(_random.seed_from(self.random_state))
        with self._all_or_nothing():
            remember()
            if not continues:
                self._start(X, layout, streams)
            self._train(X, streams, new=not continues, streamed=False, tasks=tasks)
        tasks.end()
        return self

    def partial_fit(self, X, y=None):
        """Train for one pass over X, all of it, from the present weights, at a constant learning rate.

        Units and range of the values are taken from the first call's X.

        Parameters
        ----------
        X : array-like
            As for ``fit``.
        y : None
            Ignored.

        Returns
        -------
        self
        """
        self._check_params()
        new = not self.__sklearn_is_fitted__()
        X, layout, remember = self._check_fit_X(X, not new)
        with self._all_or_nothing():
            remember()
            if new:
                self._start(X, layout, Streams(_random.seed_from(self.random_state)))
            self._train(X, Streams(self.seed_, self.n_iter_), new=new, streamed=True)
        return self

    def _start(self, X: np.ndarray, layout: Layout, streams: Streams) -> None:
        """Fix what the data decide, and draw new weights."""
        if self.reconstruction_loss == "ssim" and layout.is_vector:
            raise ValueError(
                f"reconstruction_loss='ssim' compares images; got vectors of {layout.n_features} values. Give "
                "image_shape where they are flat images; 'mse' suits vectors."
            )
        values = value_range(X)
        loss = LOSSES.get(self.reconstruction_loss, self.reconstruction_loss)
        self.seed_ = streams.seed
        self.layout_ = layout
        self.image_shape_ = layout.image_shape
        self.data_range_ = (values.minimum, values.maximum)
        self.network_config_ = {
            **self._network_params(layout),
            "mean": values.mean,
            "scale": values.scale,
            "reconstruction_scale": constant_picture_loss(loss, map(layout.to_images, chunks(spread(X, 512))), values),
        }
        network = self._new_network(streams.weights)
        self.grid_ = CodeGrid(network.code_shape, self.n_embeddings)
        self.code_shape_ = self.grid_.shape
        self.position_counts_ = np.zeros((network.n_positions, self.n_embeddings), np.int64)
        self.history_: dict[str, list] = {}
        self.n_iter_ = 0
        self._adopt(network)

    def _network_params(self, layout: Layout) -> dict:
        """Return the parameters that decide the network's shape or what its weights mean."""
        names = (
            "architecture",
            "quantizer",
            "n_embeddings",
            "embedding_dim",
            "decay",
            "downsampling",
            "hidden_channels",
            "n_residual_blocks",
            "reconstruction_loss",
        )
        params = {name: getattr(self, name) for name in names}
        if self.architecture == "auto":
            params["architecture"] = "dense" if layout.is_vector else "conv"
        return params

    def _check_continues(self, layout: Layout) -> None:
        """Raise if X or a parameter no longer fits the network that training would continue."""
        if not self.layout_.accepts(layout.image_shape):
            raise ValueError(
                f"X must hold images of shape {self.image_shape_}, as before, for training to continue; "
                f"got {layout.image_shape}. To begin anew, call fit with warm_start=False."
            )
        for name, value in self._network_params(layout).items():
            if value != self.network_config_[name]:
                raise ValueError(
                    f"{name} must stay {self.network_config_[name]!r} for training to continue; got {value!r}. "
                    "To begin anew with it, call fit with warm_start=False."
                )

    def _build_network(self) -> Autoencoder:
        config = self.network_config_
        build = ARCHITECTURES.get(config["architecture"], config["architecture"])
        quantizer_class = QUANTIZERS.get(config["quantizer"], config["quantizer"])
        step = config["downsampling"]
        shape = self.image_shape_
        padded = tuple(math.ceil(side / step) * step for side in shape[:-1]) + shape[-1:] if len(shape) == 3 else shape
        encoder, decoder = build(
            padded,
            embedding_dim=config["embedding_dim"],
            downsampling=step,
            hidden_channels=config["hidden_channels"],
            n_residual_blocks=config["n_residual_blocks"],
        )
        if encoder.output_shape[-1] != config["embedding_dim"]:
            raise ValueError(
                f"architecture must make an encoder to embedding_dim={config['embedding_dim']} channels; got one to "
                f"{encoder.output_shape[-1]}. skvq.networks.architectures says what it is called with and returns."
            )
        if isinstance(quantizer_class, type) and not issubclass(quantizer_class, Quantizer):
            raise ValueError(
                f"quantizer must be one of {sorted(QUANTIZERS)} or a subclass of skvq.networks.quantizers.Quantizer; "
                f"got {quantizer_class!r}."
            )
        return Autoencoder(
            shape,
            encoder,
            decoder,
            quantizer_class(config["n_embeddings"], config["embedding_dim"], decay=config["decay"]),
            values=ValueRange(config["mean"], config["scale"], *self.data_range_),
            reconstruction_loss=LOSSES.get(config["reconstruction_loss"], config["reconstruction_loss"]),
            reconstruction_scale=config["reconstruction_scale"],
            beta=self.beta,
            vq_weight=self.vq_weight,
            bounded=not self.layout_.is_vector,
        )

    def _train(self, X, streams: Streams, *, new: bool, streamed: bool, tasks: FitTasks | None = None) -> None:
        network = self._network_for_training()
        train, validation = split_validation(self, len(X), streams.of("validation"), streamed=streamed)
        batch_size = min(self._batch_size(), len(train))

        def rows(indices):
            return self.layout_.to_images(X[indices])

        training = Training(
            self,
            network,
            rows,
            train,
            generator=streams.of("batches"),
            batch_size=batch_size,
            max_iter=1 if streamed else self.max_iter,
            validate=(lambda: self._validation_loss(rows, validation)) if len(validation) else None,
            falling_rate=not streamed,
            tasks=tasks,
        )
        care = CodebookCare(
            network,
            rows,
            train,
            n_steps=training.n_steps,
            batch_size=batch_size,
            init=self.codebook_init if new else None,
            restart_threshold=self.restart_threshold,
            start_generator=streams.of("codebook"),
            restart_generator=streams.of("restarts"),
        )

        def before_step(step, images):
            if step % training.steps_per_epoch == 0:
                network.forget_counts()
            care.before_step(step, images)

        def after_epoch():
            self.position_counts_ = network.counts()
            counts = self.position_counts_.sum(axis=0)
            return {"perplexity": perplexity_of_counts(counts), "codes_in_use": used_codes(counts)}

        history = training.run(before_step, after_epoch)
        if training.restored and history:
            # Of an earlier epoch of this call, whose counts lie among its weights.
            self.position_counts_ = network.counts()
        network.quantizer.active.assign(1.0)  # also where fit ended before the codebook's start
        for name, value in self._trained(network, history).items():
            setattr(self, name, value)
        self._warn_of_collapse()

    def _trained(self, network: Autoencoder, history: dict[str, list]) -> dict:
        return {
            **super()._trained(network, history),
            "codebook_": ops.convert_to_numpy(network.quantizer.codebook),
            "code_counts_": self.position_counts_.sum(axis=0),
        }

    def _network_for_training(self) -> Autoencoder:
        """Return the network with the present weights of the loss, which set_params may have changed."""
        network = self._network()
        if (network.beta, network.vq_weight) != (self.beta, self.vq_weight):
            network.beta, network.vq_weight = self.beta, self.vq_weight
            if network.compiled:
                compile_step(network)
        return network

    def _warn_of_collapse(self) -> None:
        in_use = int((self.code_counts_ > 0).sum())
        n_codes = int(self.code_counts_.sum())
        if n_codes >= 10 * len(self.code_counts_) and in_use < 0.1 * len(self.code_counts_):
            warnings.warn(
                f"Only {in_use} of n_embeddings={len(self.code_counts_)} codes are in use: the codebook has collapsed. "
                "The usual causes are a learning_rate or a beta so large that the latents shrink to one point, or data "
                "with fewer distinct patches than codes. Lower learning_rate, beta or n_embeddings.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def transform(self, X) -> np.ndarray:
        """Return the codes of images, or what else ``encode`` says.

        Parameters
        ----------
        X : array-like
            Images in any layout of ``fit``'s X.

        Returns
        -------
        ndarray of shape (n, n_features_out)
            By ``encode``: ``"codes"`` int64 in [0, n_embeddings), n_positions to a row, row-major over
            ``code_shape_``; ``"quantized"`` and ``"latents"`` float32, the vectors of length embedding_dim at these
            positions one after the other; ``"histogram"`` float32, n_embeddings shares that sum to 1.
        """
        check_is_fitted(self)
        check_encoding(self.encode)
        X = self._check_X(X)
        if self.encode == "latents":
            return self._of_images("latents", X).reshape(len(X), -1)
        return features_of_codes(self.encode, self._of_images("encode", X), self.codebook_)

    def _of_images(self, name: str, X: np.ndarray) -> np.ndarray:
        """Run a method of the network on checked images, batch by batch."""
        function = self._compiled(name, getattr(self._network(), name))
        size = self._inference_batch_size()
        return np.concatenate(
            [function.one_batch((self.layout_.to_images(X[a:b]),), size) for a, b in spans(len(X), size)]
        )

    def inverse_transform(self, X) -> np.ndarray:
        """Return the images of codes.

        Parameters
        ----------
        X : array-like of shape (n, n_positions) or (n, n_positions * embedding_dim)
            Codes: integers in [0, n_embeddings). When ``encode`` is ``"quantized"`` or ``"latents"``, floats are such
            vectors, and stand for their nearest codes.

        Returns
        -------
        ndarray
            In the shape, dtype and units of ``fit``'s X.

        Raises
        ------
        ValueError
            If codes are fractional, out of range, or not ``n_positions`` to a row; or if X holds histograms.
        """
        network = self._network()
        check_encoding(self.encode)
        X = check_array(X, dtype="numeric", input_name="X")
        if holds_vectors(self.encode, X):
            X = self._codes_of_vectors(check_vectors(X, network.n_positions, self.codebook_.shape[1]))
        codes = self.grid_.check(X)
        decode = self._compiled("decode", network.decode)
        images = decode.in_batches(codes, batch_size=self._inference_batch_size())
        return self.layout_.from_images(images)

    def _codes_of_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Codes (n, n_positions) of embeddings or latents (n, n_positions, embedding_dim)."""
        if self.encode == "quantized":
            return nearest_codes(vectors, self.codebook_)
        # Not every quantiser's code for a latent is the nearest embedding's.
        assign = self._compiled("assign", self._network().quantizer.assign)
        return assign.in_batches(vectors, batch_size=self._inference_batch_size())

    def reconstruct(self, X) -> np.ndarray:
        """Return the images of the codes of X."""
        check_is_fitted(self)
        return self.inverse_transform(self._of_images("encode", self._check_X(X)))

    def sample(
        self,
        n_samples: int = 1,
        prior=None,
        y=None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state=None,
    ) -> np.ndarray:
        """Draw new images.

        Parameters
        ----------
        n_samples : int, default=1
        prior : PixelCNNPrior, default=None
            Fitted on this estimator's codes. Without one, every position's code is drawn on its own from the
            frequencies that it had in training: what a prior has to beat.
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
        ValueError
            If ``n_samples`` is not a positive integer, what the prior is told does not fit it, or it is told something
            and there is none.
        """
        check_is_fitted(self)
        n_samples = check_n_samples(n_samples)
        if prior is not None:
            choice = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
            self.grid_.require(prior.grid_)
            codes = prior.sample(n_samples, y, **choice, random_state=random_state)
            return self.inverse_transform(codes)
        if y is not None or (temperature, top_k, top_p) != (1.0, None, None):
            raise ValueError(
                f"y, temperature, top_k and top_p need a prior; got prior=None and y={y!r}, "
                f"temperature={temperature!r}, top_k={top_k!r}, top_p={top_p!r}. Fit a PixelCNNPrior on the codes, and "
                "pass it."
            )
        counts = self.position_counts_.astype(np.float64)
        if not counts.sum():
            raise ValueError("sample needs a prior here: fit ended before its first epoch, so no code was counted.")
        cumulative = np.cumsum(counts / counts.sum(axis=1, keepdims=True), axis=1)  # (positions, K)
        uniforms = _random.uniforms(random_state, n_samples, len(counts))
        codes = [np.searchsorted(row, u, side="right") for row, u in zip(cumulative, uniforms.T, strict=True)]
        return self.inverse_transform(np.minimum(np.stack(codes, axis=1), counts.shape[1] - 1))

    def score_samples(self, X) -> np.ndarray:
        """Return minus the mean squared error of each row's reconstruction, in squared units of X.

        Returns
        -------
        ndarray of shape (n,), float64
        """
        X = self._check_X(X)
        sizes = spans(len(X), self._inference_batch_size())
        return -np.concatenate([self._squared_errors(self.layout_.to_images(X[a:b])) for a, b in sizes])

    def score(self, X, y=None) -> float:
        """Return the mean of :meth:`score_samples`. No weight of the loss is in it, so searches may vary them."""
        return float(self.score_samples(X).mean())

    def _validation_loss(self, rows: Callable, validation: np.ndarray) -> float:
        sizes = spans(len(validation), self._inference_batch_size())
        errors = np.concatenate([self._squared_errors(rows(validation[a:b])) for a, b in sizes])
        return float(errors.mean()) / self.network_config_["scale"] ** 2

    def _squared_errors(self, images: np.ndarray) -> np.ndarray:
        """Mean squared error (n,) of each of at most one batch of images."""
        network = self._network()
        reconstruct = self._compiled("reconstruct", network.reconstruct)
        reconstructions = reconstruct.one_batch((images,), self._inference_batch_size())
        difference = images.astype(np.float64) - reconstructions
        return np.square(difference).reshape(len(images), -1).mean(axis=1)

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
        return vqvae_graphs(network, self.layout_, lambda images: latents.in_batches(images, batch_size=size))

    def _check_fit_X(self, X, continues: bool) -> tuple:
        """Return X as an array, its layout, and a function that notes X's columns once all is found good."""
        array = self._check_X(X) if continues else check_images(X)
        image_shape = self.image_shape
        if image_shape is None and self.architecture == "conv" and array.ndim == 2:
            image_shape = (1, array.shape[1])
        layout = layout_of(array, image_shape)
        if continues:
            self._check_continues(layout)

        def remember():
            if continues:
                return
            if array.ndim == 2:
                validate_data(self, X, reset=True, skip_check_array=True)
            else:
                self.n_features_in_ = layout.n_features
                self.__dict__.pop("feature_names_in_", None)

        return from_disk(array), layout, remember

    def _check_X(self, X) -> np.ndarray:
        check_is_fitted(self)
        if not hasattr(X, "shape") or is_tensor(X):
            X = check_images(X)
        if len(X.shape) <= 2:
            return from_disk(validate_data(self, X, reset=False, dtype="numeric"))
        array = check_images(X)
        if not self.layout_.accepts(array.shape[1:]):
            raise ValueError(
                f"X must hold images of shape {self.image_shape_}, as in fit; got rows of shape {array.shape[1:]}. "
                "Resize the images, or fit an estimator on images of this size."
            )
        return from_disk(array)

    def _batch_size(self) -> int:
        if self.batch_size != "auto":
            return self.batch_size
        return int(np.clip(2**18 // self._values_per_image(), 1, 32))

    def _inference_batch_size(self) -> int:
        return int(np.clip(2**20 // self._values_per_image(), 1, 128))

    def _values_per_image(self) -> int:
        """The larger of its pixels and a 32nd of its distances to all embeddings: a batch is the tile of both."""
        n_distances = math.prod(self.code_shape_) * self.network_config_["n_embeddings"]
        return max(math.prod(self.image_shape_), n_distances // 32)

    @property
    def _n_features_out(self) -> int:
        return n_features(self.encode, math.prod(self.code_shape_), self.codebook_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
