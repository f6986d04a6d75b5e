"""Estimators as JSON nodes and tables of arrays: one by its schema, a generator by those of its two stages."""

from importlib import import_module
from typing import Any

from sklearn.frozen import FrozenEstimator

from skvq._contract.errors import InvalidInputError
from skvq._files.checks import Refused, choice, mapping, refuse
from skvq._files.entries import Arrays, optional, place, real
from skvq._files.params import read_params, write_params
from skvq._files.schemas import SCHEMAS

STAGES = {"vqvae": ("VQVAE",), "prior": ("PixelCNNPrior", "ContextPrior")}
NOISE = optional(real(0, 1e300))


def write_estimator(estimator: Any, arrays: Arrays, where: str = "", classes: tuple[str, ...] | None = None) -> dict:
    """Return a fitted estimator for JSON, and put its arrays into the table.

    Raises
    ------
    InvalidInputError, Refused
        If :func:`skvq.load` would refuse it.
    """
    name = _class_of(estimator, where, classes or (*SCHEMAS, "VQGenerator"))
    if name == "VQGenerator":
        return _write_generator(estimator, arrays)
    params = write_params(estimator, where and f"{where}/")
    return {"class": name, "params": params, "state": SCHEMAS[name].state.write(vars(estimator), where, arrays)}


def read_estimator(
    node: Any, arrays: Arrays, where: str = "", classes: tuple[str, ...] | None = None
) -> tuple[Any, list[tuple]]:
    """Return the estimator of a node and of the arrays in the table, which are taken out.

    All its entries have been checked, alone and against each other. What only a network can tell has not.

    Returns
    -------
    estimator
    networks : list of tuple
        The arguments of :func:`~skvq._files.networks.check_network` for it, or for both stages of a generator.

    Raises
    ------
    Refused
    """
    node = mapping(node, where or "the estimator", ("class", "params", "state"))
    name = choice(node["class"], place(where, "class"), classes or (*SCHEMAS, "VQGenerator"))
    if name == "VQGenerator":
        return _read_generator(node, arrays)
    prefix = where and f"{where}/"
    schema = SCHEMAS[name]
    estimator = read_params(node["params"], schema.load_class(name), prefix)
    attributes = schema.complete(schema.state.read(node["state"], where, arrays), prefix)
    n_epochs = len(next(iter(attributes["history_"].values()), []))
    if n_epochs != attributes["n_iter_"]:
        refuse(f"{prefix}history_", f"have n_iter_={attributes['n_iter_']} epochs", n_epochs)
    estimator.__dict__.update({**attributes, "_training_state": None})
    return estimator, [(estimator, attributes.get("_training_state"), prefix)]


def _write_generator(model: Any, arrays: Arrays) -> dict:
    state = {
        f"{stage}_": write_estimator(getattr(model, f"{stage}_"), arrays, f"{stage}_", STAGES[stage])
        for stage in STAGES
    }
    params = {stage: _write_stage(model, stage) for stage in STAGES}
    state["noise_variance_"] = NOISE.write(model.noise_variance_, "noise_variance_", arrays)
    return {"class": "VQGenerator", "params": params, "state": state}


def _write_stage(model: Any, stage: str) -> Any:
    """Return how a parameter of a generator is to be made again: none, the fitted stage, or an unfitted estimator."""
    given, fitted = getattr(model, stage), getattr(model, f"{stage}_")
    if given is None:
        return "default"
    if given is fitted:
        return "fitted"
    if type(given) is FrozenEstimator and given.estimator is fitted:
        return "frozen"
    name = _class_of(given, stage, STAGES[stage])
    return {"class": name, "params": write_params(given, f"{stage}__")}


def _read_generator(node: dict, arrays: Arrays) -> tuple[Any, list[tuple]]:
    # By name, as generator imports this package to save itself.
    VQGenerator = import_module("skvq.generator").VQGenerator

    params = mapping(node["params"], "the parameters", tuple(STAGES))
    state = mapping(node["state"], "the state", ("vqvae_", "prior_", "noise_variance_"))
    fitted, checks, given = {}, [], {}
    for stage, classes in STAGES.items():
        fitted[stage], pending = read_estimator(state[f"{stage}_"], arrays, f"{stage}_", classes)
        checks += pending
        given[stage] = _read_stage(params[stage], stage, fitted[stage])
    vqvae, prior = fitted["vqvae"], fitted["prior"]
    try:
        vqvae.grid_.require(prior.grid_, "prior_")
    except InvalidInputError as error:
        raise Refused(str(error)) from None
    model = VQGenerator(**given)
    model._adopt(vqvae, prior, None)
    model.noise_variance_ = NOISE.read(state["noise_variance_"], "noise_variance_", arrays)
    if model.noise_variance_ == 0:
        refuse("noise_variance_", "be above 0", 0)
    return model, checks


def _read_stage(node: Any, stage: str, fitted: Any) -> Any:
    kinds = {"default": lambda: None, "fitted": lambda: fitted, "frozen": lambda: FrozenEstimator(fitted)}
    if isinstance(node, dict):
        node = mapping(node, stage, ("class", "params"))
        name = choice(node["class"], f"{stage}/class", STAGES[stage])
        return read_params(node["params"], SCHEMAS[name].load_class(name), f"{stage}__")
    return kinds[choice(node, stage, tuple(kinds))]()


def _class_of(estimator: Any, where: str, names: tuple[str, ...]) -> str:
    """Return the name of an estimator's class if files may hold it."""
    kind = type(estimator)
    modules = {**{name: schema.module for name, schema in SCHEMAS.items()}, "VQGenerator": "skvq.generator"}
    if kind.__name__ not in names or kind.__module__ != modules[kind.__name__]:
        raise InvalidInputError(
            f"{where or 'The estimator'} must be a {' or a '.join(names)} to be saved; got "
            f"{kind.__module__}.{kind.__qualname__}. skvq.load builds no other class: keep the estimator by pickle."
        )
    return kind.__name__
