"""The codec of a fitted generator: its integer tables, its classes, and the digest of its decoder."""

from typing import Any
from weakref import WeakKeyDictionary

from skvq._contract.errors import InvalidInputError
from skvq._fitted import check_fitted
from skvq.compression.codec import Codec, weights_digest

# Outside the estimators, so that pickles and copies do not hold the tables twice.
_CODECS: WeakKeyDictionary = WeakKeyDictionary()


def codec_of(model: Any, method: str) -> Codec:
    """Return the codec of a VQGenerator.

    Parameters
    ----------
    model : VQGenerator
    method : str
        That needs it, for messages.

    Raises
    ------
    NotFittedError
    InvalidInputError
        If the prior has no integer tables.
    """
    check_fitted(model)
    vqvae, prior = model.vqvae_, model.prior_
    if not hasattr(prior, "code_tables"):
        raise InvalidInputError(
            f"{method} needs a prior of integer tables, ContextPrior; got {type(prior).__name__}. Its network computes "
            "with floats, which differ from machine to machine, so that a file could not be read elsewhere. Fit "
            "ContextPrior(grid=model.grid_) on model.transform(X), and join it with model.vqvae_ by "
            "VQGenerator.from_fitted."
        )
    # Training replaces the lists of weights, so the same lists are the same model.
    weights = vqvae._weights, prior._weights
    cached = _CODECS.get(model)
    if cached is None or any(a is not b for a, b in zip(cached[0], weights, strict=True)):
        codec = Codec(prior.code_tables(), weights_digest(vqvae._weights), prior._classes)
        cached = _CODECS[model] = weights, codec
    return cached[1]
