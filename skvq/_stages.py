"""The two stages of a generator: cloned, or taken frozen, checked against each other, and handed their metadata."""

import os
from typing import Any

from sklearn import get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skvq._contract.codes import CodeGrid
from skvq._contract.errors import invalid
from skvq._contract.labels import check_labels
from skvq._fitted import NotFittedError
from skvq.priors.base import Prior
from skvq.vqvae import VQVAE


def begun(name: str, given: Any, default: type) -> Any:
    """Return a clone of a stage, or a frozen stage as it is."""
    if given is None:
        return default()
    if not isinstance(given, FrozenEstimator):
        return clone(given)
    kind = VQVAE if name == "vqvae" else Prior
    if not isinstance(given.estimator, kind):
        raise invalid(name, f"hold a {kind.__name__}", repr(given), "The order is VQGenerator(vqvae, prior).")
    if not given.estimator.__sklearn_is_fitted__():
        raise NotFittedError(
            f"{name} must be fitted before it is frozen; got {given!r}. Fit it, or pass it without FrozenEstimator."
        )
    return given.estimator


def check_stages(generator: Any, vqvae: VQVAE, prior: Prior, y: Any) -> None:
    """Raise for what would fail only after the first stage has been trained."""
    if isinstance(generator.prior, FrozenEstimator):
        if not isinstance(generator.vqvae, FrozenEstimator):
            raise invalid(
                "prior",
                "not be frozen unless vqvae is",
                repr(generator.prior),
                "A prior only knows the codes of the VQ-VAE that it was fitted with: freeze both, or neither.",
            )
        vqvae.grid_.require(prior.grid_)
    elif prior.conditional and y is None:
        check_labels(y, 0)  # raises
    given = prior.grid.n_embeddings if prior.grid is not None else prior.n_embeddings
    n_embeddings = vqvae.grid_.n_embeddings if isinstance(generator.vqvae, FrozenEstimator) else vqvae.n_embeddings
    if given is not None and given != n_embeddings:
        raise invalid(
            "prior.n_embeddings",
            f"be that of vqvae, {n_embeddings}",
            given,
            "Leave n_embeddings, code_shape and grid of the prior out: VQGenerator hands the grid on.",
        )


def unwrapped(part: Any) -> Any:
    """Return the estimator in a FrozenEstimator, and any other as it is."""
    return part.estimator if isinstance(part, FrozenEstimator) else part


def with_grid(prior: Prior, grid: CodeGrid) -> Prior:
    """Hand the grid to a prior that has none, unless its ``code_shape`` contradicts it."""
    if prior.code_shape is not None and CodeGrid(prior.code_shape, grid.n_embeddings, grid.depth) != grid:
        raise invalid(
            "prior.code_shape",
            f"be that of vqvae, {grid.shape}",
            repr(prior.code_shape),
            "Leave it out: VQGenerator hands the grid on.",
        )
    if prior.grid is not None:
        grid.require(prior.grid)
        return prior
    return prior.set_params(grid=grid)


def hand_checkpoint(part: Any, folder: str | os.PathLike | None, name: str) -> None:
    """Give a stage a sub-folder of the generator's checkpoint, unless it has one of its own or takes none."""
    if folder is not None and part.get_params(deep=False).get("checkpoint", folder) is None:
        part.set_params(checkpoint=os.path.join(folder, name))


def stage_router(generator: Any, vqvae: Any, prior: Any) -> MetadataRouter:
    """Return the router that hands metadata to the two stages."""
    mapping = MethodMapping()
    for method in ("fit", "partial_fit", "score"):
        mapping.add(caller=method, callee=method)
    return (
        MetadataRouter(owner=generator)
        .add(vqvae=vqvae, method_mapping=mapping)
        .add(prior=prior, method_mapping=mapping)
    )


def routed(generator: Any, method: str, pixel_weight: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that each stage gets. Without metadata routing, the VQVAE alone gets ``pixel_weight``."""
    given = {} if pixel_weight is None else {"pixel_weight": pixel_weight}
    if get_config()["enable_metadata_routing"]:
        found = process_routing(generator, method, **params, **given)
        return {stage: found[stage][method] for stage in ("vqvae", "prior")}
    if params:
        raise TypeError(
            f"{method} got {', '.join(params)}, which only metadata routing hands on. Call "
            "sklearn.set_config(enable_metadata_routing=True), and request it of the stage."
        )
    return {"vqvae": given, "prior": {}}
