"""What ``VQVAE.transform`` returns: codes, or features made of them that a classifier or a regressor can use.

The number of a code is a name: that code 7 lies between 6 and 8 means nothing. Linear models and trees need codes
one-hot (:class:`sklearn.preprocessing.OneHotEncoder`), as their embeddings, or counted.
"""

import numpy as np

from skvq._contract.codes import CodeGrid
from skvq._contract.errors import invalid

OUTPUTS = ("codes", "quantized", "latents", "histogram")


def check_output(output: str) -> None:
    """Raise unless ``output`` is one of the outputs; it may have been set since ``fit``.

    Raises
    ------
    InvalidInputError
    """
    if output not in OUTPUTS:
        choices = ", ".join(map(repr, OUTPUTS))
        raise invalid("output", f"be one of {choices}", repr(output), "A prior needs 'codes'.")


def n_features(output: str, grid: CodeGrid, embedding_dim: int) -> int:
    """Return the length of a row of ``transform``'s result."""
    sizes = {"codes": grid.n_codes, "histogram": grid.depth * grid.n_embeddings}
    return sizes.get(output, grid.n_positions * embedding_dim)


def features_of_codes(output: str, codes: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Return codes (n, n_codes) as ``"codes"``, ``"quantized"`` or ``"histogram"``.

    Parameters
    ----------
    output : str
    codes : ndarray of shape (n, n_codes)
    codebook : ndarray of shape (n_embeddings, embedding_dim) or (depth, n_embeddings, embedding_dim)

    Returns
    -------
    ndarray of shape (n, n_features)
        The codes, int64; the embeddings of positions side by side, float32, each the sum over its stages; or for each
        stage the share of each of its codes in the row, float32.
    """
    n_embeddings, embedding_dim = codebook.shape[-2:]
    depth = codebook.size // (n_embeddings * embedding_dim)
    rows = codes + n_embeddings * (np.arange(codes.shape[1]) % depth)  # of the stages' tables, one below the other
    if output == "quantized":
        embeddings = codebook.reshape(-1, embedding_dim)[rows].reshape(len(codes), -1, depth, embedding_dim)
        return embeddings.sum(axis=2).reshape(len(codes), -1).astype(np.float32)
    if output == "histogram":
        shares = np.zeros((len(codes), depth * n_embeddings), np.float32)
        np.add.at(shares, (np.arange(len(codes))[:, None], rows), np.float32(depth / codes.shape[1]))
        return shares
    return codes.astype(np.int64)


def holds_vectors(output: str, X: np.ndarray) -> bool:
    """Whether X, given to ``inverse_transform``, holds embeddings or latents and not codes.

    Integers are codes under every output; floats are what ``output`` says.

    Raises
    ------
    InvalidInputError
        If they are histograms, which do not say where in the image their codes stand.
    """
    if output == "codes" or not np.issubdtype(X.dtype, np.floating):
        return False
    if output == "histogram":
        raise invalid(
            "X",
            "hold codes, of an integer dtype, when output='histogram'",
            "floats",
            "A histogram does not say where in the image its codes stand, so no image can be made of it: use "
            "output='quantized' for features that can be turned back.",
        )
    return True


def check_vectors(X: np.ndarray, n_positions: int, embedding_dim: int) -> np.ndarray:
    """Return X as float32 vectors (n, n_positions, embedding_dim).

    Raises
    ------
    InvalidInputError
        If its rows have another length.
    """
    n_values = n_positions * embedding_dim
    if X.shape[1] != n_values:
        raise invalid(
            "X",
            f"have {n_positions} * {embedding_dim} = {n_values} values to a row, a vector of length embedding_dim for "
            "each position",
            X.shape[1],
            "Pass what transform returned, or codes of an integer dtype.",
        )
    return X.astype(np.float32).reshape(len(X), n_positions, embedding_dim)
