"""What ``VQVAE.transform`` answers: codes, or features made of them that a classifier or a regressor can use.

The number of a code is a name: that code 7 lies between 6 and 8 means nothing. Linear models and trees need codes
one-hot (:class:`sklearn.preprocessing.OneHotEncoder`), as the embeddings that they stand for, or counted.
"""

import numpy as np

ENCODINGS = ("codes", "quantized", "latents", "histogram")


def check_encoding(encode: str) -> None:
    """Raise ValueError unless ``encode`` is an encoding; it may have been set since ``fit``."""
    if encode not in ENCODINGS:
        raise ValueError(
            f"encode must be one of {', '.join(map(repr, ENCODINGS))}; got {encode!r}. 'codes' is what a prior needs."
        )


def n_features(encode: str, n_positions: int, codebook: np.ndarray) -> int:
    """Return the length of a row of ``transform``'s answer."""
    n_embeddings, embedding_dim = codebook.shape
    sizes = {"codes": n_positions, "histogram": n_embeddings}
    return sizes.get(encode, n_positions * embedding_dim)


def features_of_codes(encode: str, codes: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Return codes (n, n_positions) as ``"codes"``, ``"quantized"`` or ``"histogram"`` has them.

    Returns
    -------
    ndarray of shape (n, n_features)
        The codes, int64; their embeddings one after the other, float32; or the share of each code in the row,
        float32.
    """
    if encode == "quantized":
        return codebook[codes].reshape(len(codes), -1).astype(np.float32)
    if encode == "histogram":
        shares = np.zeros((len(codes), len(codebook)), np.float32)
        np.add.at(shares, (np.arange(len(codes))[:, None], codes), np.float32(1 / codes.shape[1]))
        return shares
    return codes.astype(np.int64)


def holds_vectors(encode: str, X: np.ndarray) -> bool:
    """Whether X, given to ``inverse_transform`` under ``encode``, holds embeddings or latents and not codes.

    Integers are codes under every encoding; floats are what ``encode`` says.

    Raises
    ------
    ValueError
        If they are histograms, which do not say where in the image their codes stand.
    """
    if encode == "codes" or not np.issubdtype(X.dtype, np.floating):
        return False
    if encode == "histogram":
        raise ValueError(
            "X must hold codes, of an integer dtype, when encode='histogram'; got floats. A histogram does not say "
            "where in the image its codes stand, so no image can be made of it: use encode='quantized' for features "
            "that can be turned back."
        )
    return True


def check_vectors(X: np.ndarray, n_positions: int, embedding_dim: int) -> np.ndarray:
    """Return X as float32 vectors (n, n_positions, embedding_dim).

    Raises
    ------
    ValueError
        If its rows have another length.
    """
    if X.shape[1] != n_positions * embedding_dim:
        raise ValueError(
            f"X must have {n_positions} * {embedding_dim} = {n_positions * embedding_dim} values to a row, one vector "
            f"of length embedding_dim for each position; got {X.shape[1]}. Pass what transform answered, or codes of "
            "an integer dtype."
        )
    return X.astype(np.float32).reshape(len(X), n_positions, embedding_dim)
