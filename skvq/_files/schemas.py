"""Which estimators a file may hold, what each is made of, and how its entries have to agree.

A generator is made of two of these; :mod:`~skvq._files.estimators` has it.
"""

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from skvq._contract.images import Layout
from skvq._files.checks import refuse
from skvq._files.entries import (
    COUNTS,
    GRID,
    HISTORY,
    LABELS,
    LAYOUT,
    MAX_POSITIONS,
    RANGE,
    Arrays,
    Entry,
    array,
    array_list,
    either,
    integer,
    optional,
    real,
    record,
    word,
)
from skvq._files.params import ADDED, LARGEST, checked
from skvq.compression.packing import flaw_of
from skvq.compression.tables import CodeTables, ContextLayout
from skvq.networks.code_counts import counts_of_codes

OPTIMIZERS = ("adam", "adamw", "nadam", "rmsprop", "sgd")
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)

_flag = Entry(lambda value, where, arrays: bool(value), lambda node, where, arrays: _boolean(node, where))


def _with_added(entries: dict[str, Entry], added: dict[str, Entry]) -> Entry:
    """Entry of a dict with these items. The added ones are left out where they have their defaults."""
    inner = record(entries, added)

    def write(value: dict, where: str, arrays: Arrays) -> dict:
        return inner.write({k: v for k, v in value.items() if k not in added or v != ADDED[k]}, where, arrays)

    def read(node: Any, where: str, arrays: Arrays) -> dict:
        return {**{name: ADDED[name] for name in added}, **inner.read(node, where, arrays)}

    return Entry(write, read)


FITTED = {"grid_": GRID, "history_": HISTORY, "n_iter_": integer(0, 2**31), "_fit_seed": integer()}
TRAINED = {
    "_weights": array_list("float32"),
    "_training_state": optional(
        record(
            {
                "signature": record(
                    {
                        "optimizer": word(*OPTIMIZERS),
                        "clip_norm": optional(real(0)),
                        "weight_decay": optional(real(0)),
                    }
                ),
                "optimizer": array_list("float32", "int32", "int64"),
                "seeds": array_list("uint32", "int32", "int64"),
            }
        )
    ),
}
NAMES = {"feature_names_in_": LABELS}
PRIOR = {
    "classes_": optional(LABELS),
    "_unseen": optional(record({"stand_in": integer(0, 2**31), "log_probability": real(-1e3, 0)})),
}


class Schema(NamedTuple):
    """One class of estimators in files.

    Parameters
    ----------
    module : str
        Where the class is.
    state : Entry
        Of its fitted attributes that cannot be derived.
    complete : callable
        ``(state, where) -> attributes``: checks the entries against each other, and adds the derived attributes.
    """

    module: str
    state: Entry
    complete: Callable[[dict, str], dict]

    def load_class(self, name: str) -> type:
        """Return the class."""
        return getattr(import_module(self.module), name)


def _complete_vqvae(state: dict, where: str) -> dict:
    from skvq._vqvae.network import NETWORK_PARAMETERS
    from skvq.vqvae import VQVAE

    layout, grid, config = state["_layout"], state["grid_"], state["_network_config"]
    checked(VQVAE, {name: config[name] for name in NETWORK_PARAMETERS}, f"{where}_network_config/")
    depth = config["n_quantizers"]
    if (grid.depth, grid.n_embeddings) != (depth, config["n_embeddings"]):
        refuse(f"{where}grid_", f"be of n_embeddings={config['n_embeddings']} and depth={depth}", str(grid))
    codebook_shape = (*([depth] if depth > 1 else []), grid.n_embeddings, config["embedding_dim"])
    if state["codebook_"].shape != codebook_shape:
        refuse(f"{where}codebook_", f"have shape {codebook_shape}", state["codebook_"].shape)
    _check_depth("n_residual_blocks", state, where)
    _check_depth("n_quantizers", state, where)
    if len(state["_region_counts"]) % depth:
        refuse(f"{where}_region_counts", f"have {depth} rows for each region", state["_region_counts"].shape)
    if _n_positions(layout, config) > MAX_POSITIONS:
        refuse(f"{where}_layout", f"make at most {MAX_POSITIONS} codes", layout)
    if config["architecture"] == "conv" and layout.is_vector:
        refuse(f"{where}_layout", "hold images for architecture='conv'", layout)
    if config["bounded"] is layout.is_vector:
        refuse(f"{where}_network_config/bounded", f"be {not layout.is_vector}", config["bounded"])
    low, high = state["data_range_"]
    slack = 1e-3 * max(abs(low), abs(high), SMALLEST_SCALE)
    if not low - slack <= config["mean"] <= high + slack:
        refuse(f"{where}_network_config/mean", f"lie in data_range_, {low:g} to {high:g}", config["mean"])
    _check_names(state, layout.n_features, where)
    return {
        **state,
        "image_shape_": layout.image_shape,
        "n_features_in_": layout.n_features,
        "code_counts_": counts_of_codes(state["_region_counts"], depth),
    }


def _complete_pixelcnn(state: dict, where: str) -> dict:
    from skvq.priors.pixelcnn import PixelCNNPrior

    config = state["_network_config"]
    params = {name: config[name] for name in PixelCNNPrior.network_parameters}
    checked(PixelCNNPrior, params, f"{where}_network_config/")
    _check_depth("n_layers", state, where)
    if config["conditional"] != (state["classes_"] is not None):
        refuse(f"{where}classes_", f"fit conditional={config['conditional']}", state["classes_"])
    if (config["dropout"] == "auto") != ("dropout_rate" in config):
        refuse(f"{where}_network_config", "have dropout_rate where dropout is 'auto', and only there", list(config))
    return _complete_prior(state, where)


def _complete_context(state: dict, where: str) -> dict:
    completed = _complete_prior(state, where)
    config, grid, weights = state["_network_config"], state["grid_"], state["_weights"]
    n_classes = 0 if state["classes_"] is None else len(state["classes_"])
    layout, n_features = ContextLayout(grid, n_classes), config["n_features"]
    shapes = [
        (layout.n_rows, n_features),
        (grid.depth, n_features, grid.n_embeddings),
        (grid.depth, grid.n_embeddings),
    ]
    if [array.shape for array in weights] != shapes:
        refuse(f"{where}_weights", f"have the shapes {shapes}", [array.shape for array in weights])
    flaw = flaw_of(CodeTables(grid, n_classes, *weights))
    if flaw:
        refuse(f"{where}_weights", "be integer tables as fit makes them", flaw)
    return completed


def _complete_prior(state: dict, where: str) -> dict:
    classes, grid, unseen = state["classes_"], state["grid_"], state["_unseen"]
    if classes is not None and not (len(classes) and np.array_equal(np.unique(classes), classes)):
        refuse(f"{where}classes_", "be sorted and unique", classes)
    if unseen is not None and unseen["stand_in"] >= grid.n_embeddings:
        refuse(f"{where}_unseen/stand_in", f"be below n_embeddings={grid.n_embeddings}", unseen["stand_in"])
    _check_names(state, grid.n_codes, where)
    return {**state, "n_features_in_": grid.n_codes}


SCHEMAS = {
    "VQVAE": Schema(
        "skvq.vqvae",
        record(
            {
                **FITTED,
                **TRAINED,
                "_layout": LAYOUT,
                "data_range_": RANGE,
                "codebook_": array("float32"),
                "_region_counts": COUNTS,
                "_network_config": _with_added(
                    {
                        "architecture": word("conv", "dense"),
                        "quantizer": word("ema", "gradient", "fsq"),
                        "n_embeddings": integer(2, 2**24),
                        "embedding_dim": integer(1, 2**16),
                        "ema_decay": real(0, 1),
                        "downsampling": integer(1, 32),
                        "hidden_channels": integer(1, 2**16),
                        "n_residual_blocks": integer(0, 128),
                        "reconstruction_loss": word("mse", "mae", "bce", "ssim"),
                        "mean": real(),
                        "scale": real(SMALLEST_SCALE),
                        "reconstruction_scale": real(SMALLEST_SCALE),
                        "bounded": _flag,
                    },
                    {"n_quantizers": integer(1, LARGEST["n_quantizers"]), "quantizer_dropout": real(0, 1)},
                ),
            },
            NAMES,
        ),
        _complete_vqvae,
    ),
    "PixelCNNPrior": Schema(
        "skvq.priors.pixelcnn",
        record(
            {
                **FITTED,
                **TRAINED,
                **PRIOR,
                "_network_config": record(
                    {
                        "conditional": _flag,
                        "hidden_channels": integer(1, 2**16),
                        "n_layers": integer(1, 256),
                        "kernel_size": integer(1, 7),
                        "dropout": either(real(0, 1), word("auto")),
                    },
                    {"dropout_rate": real(0, 0.5)},
                ),
            },
            NAMES,
        ),
        _complete_pixelcnn,
    ),
    "ContextPrior": Schema(
        "skvq.priors.context",
        record(
            {
                **FITTED,
                **PRIOR,
                "_weights": array_list("float32"),
                "_network_config": record({"n_features": integer(1, 2**12)}),
            },
            NAMES,
        ),
        _complete_context,
    ),
}


def _check_depth(name: str, state: dict, where: str) -> None:
    """Raise for more layers than there are arrays: planning each takes time."""
    depth, n_weights = state["_network_config"][name], len(state["_weights"])
    if depth > n_weights:
        refuse(f"{where}_network_config/{name}", f"be at most the number of _weights, {n_weights}", depth)


def _n_positions(layout: Layout, config: dict) -> int:
    sides = layout.image_shape[:2] if config["architecture"] == "conv" else (layout.n_features,)
    return math.prod(math.ceil(side / config["downsampling"]) for side in sides)


def _check_names(state: dict, n_features: int, where: str) -> None:
    names = state.get("feature_names_in_")
    if names is not None and (names.dtype != object or len(names) != n_features or len(set(names)) != n_features):
        refuse(f"{where}feature_names_in_", f"be {n_features} names", names)


def _boolean(node: Any, where: str) -> bool:
    if not isinstance(node, bool):
        refuse(where, "be true or false", node)
    return node
