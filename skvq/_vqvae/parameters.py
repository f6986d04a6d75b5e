"""The ranges of VQVAE's parameters, and the advice that their error messages end with."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, Options, StrOptions

from skvq._outputs import OUTPUTS
from skvq.networks.architectures import ARCHITECTURES
from skvq.networks.losses import LOSSES
from skvq.networks.quantizers import QUANTIZERS
from skvq.training import TRAINING_ADVICE, TRAINING_CONSTRAINTS

PARAMETER_CONSTRAINTS = {
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
    "ema_decay": [Interval(Real, 0, 1, closed="left")],
    "n_quantizers": [Interval(Integral, 1, 32, closed="both")],
    "quantizer_dropout": [Interval(Real, 0, 1, closed="both")],
    "codebook_init": [StrOptions({"kmeans", "random"})],
    "restart_threshold": [Interval(Real, 0, 1, closed="both")],
    "reconstruction_loss": [StrOptions(set(LOSSES)), callable],
    "output": [StrOptions(set(OUTPUTS))],
    **TRAINING_CONSTRAINTS,
}
PARAMETER_ADVICE = {
    "n_embeddings": "It is the number of codes; 128 or 512 are common.",
    "embedding_dim": "It is the length of an embedding; 16 to 64 are common.",
    "beta": "It weighs the commitment term; 0.25 is a common start.",
    "vq_weight": "It weighs the codebook and commitment terms together; 1 is a common start.",
    "image_shape": "Give (height, width) or (height, width, channels), or None for vectors.",
    "downsampling": "Pixels to a code in each direction: 4 makes 7 × 7 codes of 28 × 28 pixels.",
    "quantizer": "A class must be a subclass of skvq.networks.quantizers.Quantizer.",
    "ema_decay": "It is the weight of the past in the codebook's moving averages; 0.95 to 0.99 are common.",
    "n_quantizers": "It is the number of codes at each position; 1 is the plain VQ-VAE, 2 to 8 are common above it.",
    "quantizer_dropout": "It is the fraction of training images that are rebuilt from the first stages alone.",
    "codebook_init": "'kmeans' keeps every code in use from the start; 'random' is the paper's way.",
    "restart_threshold": "It is a fraction of the mean usage; 0.35 suits most data, 0 restarts no code.",
    "output": "It is what transform returns; a prior needs 'codes'.",
    **TRAINING_ADVICE,
}
