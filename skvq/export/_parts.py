"""From fitted estimators to the one function that a part's ONNX graph is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from skvq._contract.description import ModelDescription
from skvq._contract.errors import invalid
from skvq._contract.graph import GraphFunction, GraphKind, TensorSpec

_DEFAULTS: tuple[GraphKind, ...] = ("generator", "encoder", "sampler")


@dataclass(frozen=True)
class Composition(GraphFunction):
    """``second`` after ``first``, in one graph.

    What passes between the two keeps its name inside the graph, where :func:`skvq.export.compare` finds it. So a
    code that flips between two runtimes is judged as a code, and not as the other image that follows from it.

    Parameters
    ----------
    first, second : GraphFunction
        The one output of ``first`` is the one input of ``second``.
    """

    first: GraphFunction | None = None
    second: GraphFunction | None = None

    @property
    def inner(self) -> tuple[TensorSpec, ...]:
        """What the graph keeps to itself under its own name."""
        return self.first.outputs


def compose(
    name: str,
    kind: GraphKind,
    first: GraphFunction,
    second: GraphFunction,
    outputs: tuple[TensorSpec, ...] | None = None,
) -> Composition:
    """Return ``second`` after ``first``; ``outputs`` gives other names to what ``second`` answers."""

    def function(*tensors: Any) -> tuple:
        return second.function(*first.function(*tensors))

    function.__doc__ = f"The part {first.name}, then the part {second.name}."
    outputs = second.outputs if outputs is None else outputs
    return Composition(name, kind, function, first.inputs, outputs, first.example, first=first, second=second)


def of_kind(functions: Mapping[str, GraphFunction], kind: GraphKind) -> list[GraphFunction]:
    """Return the functions of one kind, in their order."""
    return [function for function in functions.values() if function.kind == kind]


def offered(model: Any, parameter: str = "model") -> dict[str, GraphFunction]:
    """Return what an estimator offers for export.

    Raises
    ------
    TypeError
        If it offers nothing.
    """
    methods = ("graph_functions", "describe")
    if isinstance(model, type) or not all(callable(getattr(model, method, None)) for method in methods):
        raise TypeError(
            f"{parameter} must be a fitted estimator of skvq, with graph_functions() and describe(); got {model!r}. "
            "For a pipeline, pass its steps: export_onnx(pipeline[0], path, prior=pipeline[-1])."
        )
    return model.graph_functions()


def functions_of(model: Any, prior: Any = None) -> dict[str, GraphFunction]:
    """Return every part that can be made of a model, or of an autoencoder with its prior.

    Raises
    ------
    TypeError
        If one is no estimator of skvq.
    InvalidInputError
        If the codes of the two do not fit each other.
    """
    functions = dict(offered(model))
    if prior is not None:
        more = offered(prior, "prior")
        if not of_kind(functions, "decoder") or not of_kind(more, "sampler"):
            raise invalid(
                "model",
                "have a decoder, and prior a sampler",
                f"the parts {', '.join(functions)} and {', '.join(more)}",
                "Pass the VQVAE as model and the prior as prior.",
            )
        functions |= more
    described(model, prior)
    decoders = of_kind(functions, "decoder")
    for whole in of_kind(functions, "autoencoder"):
        encoders = [encoder for encoder in of_kind(functions, "encoder") if encoder.inputs == whole.inputs]
        if encoders and decoders:
            # One graph cannot have two tensors of one name.
            reconstructions = replace(decoders[0].outputs[0], name="reconstructions")
            functions[whole.name] = compose(whole.name, "autoencoder", encoders[0], decoders[0], (reconstructions,))
    if decoders:
        for sampler in of_kind(functions, "sampler"):
            # The generators of sampler and controlled_sampler are generator and controlled_generator.
            name = sampler.name.replace("sampler", "generator")
            functions[name] = compose(name, "generator", sampler, decoders[0])
    return functions


def described(model: Any, prior: Any = None) -> ModelDescription:
    """Return what a model says about itself, or an autoencoder with its prior.

    Raises
    ------
    InvalidInputError
        If the codes of the two do not fit each other.
    """
    said = model.describe()
    if prior is not None:
        more = prior.describe()
        said = replace(said, prior_grid=more.prior_grid, classes=more.classes)
    if said.grid is not None and said.prior_grid is not None:
        said.grid.require(said.prior_grid)
    return said


def estimators_of(model: Any, prior: Any = None) -> dict[str, Any]:
    """Return the fitted estimators of a model by their place in it: ``vqvae``, ``prior``."""
    if prior is not None:
        return {"vqvae": model, "prior": prior}
    stages = {name: getattr(model, f"{name}_", None) for name in ("vqvae", "prior")}
    if None not in stages.values():
        return stages
    return {"prior" if model.describe().grid is None else "vqvae": model}


def choose(functions: Mapping[str, GraphFunction], part: str | None) -> GraphFunction:
    """Return the part asked for; for None the generator, else the encoder, else the sampler.

    Raises
    ------
    ValueError
        If there is no such part, or None could mean several.
    """
    if part is None:
        likely = [function for kind in _DEFAULTS for function in of_kind(functions, kind)]
        if likely or len(functions) == 1:
            return next(iter(likely or functions.values()))
    if part not in functions:
        hint = " Pass prior= to compose sampler and decoder." if part == "generator" else ""
        raise ValueError(f"part must be one of {', '.join(map(repr, functions))}; got {part!r}.{hint}")
    return functions[part]


def check_parts(parts: Iterable[str]) -> list[str]:
    """Return names of parts, each of them once.

    Raises
    ------
    ValueError
        If there are none, or it is no sequence of texts.
    """
    names = list(parts) if isinstance(parts, Iterable) and not isinstance(parts, str) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"parts must be a sequence of names of parts; got {parts!r}. "
            'Pass parts=["encoder", "decoder", "generator"], or None for all.'
        )
    return list(dict.fromkeys(names))
