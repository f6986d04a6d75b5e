"""Choose and compose the functions of fitted estimators that become ONNX graphs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from skvq._contract.description import ModelDescription
from skvq._contract.errors import invalid
from skvq._contract.graph import GraphFunction, GraphKind, TensorSpec

_DEFAULTS: tuple[GraphKind, ...] = ("generator", "encoder", "sampler")


@dataclass(frozen=True, kw_only=True)
class Composition(GraphFunction):
    """``second`` after ``first``, in one graph.

    The tensors between the two keep their names in the graph, where :func:`skvq.export.compare` finds them. So a code
    that differs between two runtimes is compared as a code, and not as a different image.

    Parameters
    ----------
    first, second : GraphFunction
        The one output of ``first`` is the one input of ``second``.
    """

    first: GraphFunction
    second: GraphFunction

    @property
    def inner(self) -> tuple[TensorSpec, ...]:
        """The tensors between the two functions, which are not outputs."""
        return self.first.outputs


def compose(
    name: str,
    kind: GraphKind,
    first: GraphFunction,
    second: GraphFunction,
    outputs: tuple[TensorSpec, ...] | None = None,
) -> Composition:
    """Return ``second`` after ``first``. ``outputs`` gives other names to the outputs of ``second``."""

    def function(*tensors: Any) -> tuple[Any, ...]:
        return second.function(*first.function(*tensors))

    function.__doc__ = f"The part {first.name}, then the part {second.name}."
    outputs = second.outputs if outputs is None else outputs
    return Composition(
        name=name,
        kind=kind,
        function=function,
        inputs=first.inputs,
        outputs=outputs,
        example=first.example,
        first=first,
        second=second,
    )


def of_kind(functions: Mapping[str, GraphFunction], kind: GraphKind) -> list[GraphFunction]:
    """Return the functions of one kind, in the given order."""
    return [function for function in functions.values() if function.kind == kind]


def offered(model: Any, parameter: str = "model") -> dict[str, GraphFunction]:
    """Return the functions of an estimator that can be exported.

    Raises
    ------
    TypeError
        If it is not an estimator of skvq.
    """
    methods = ("graph_functions", "describe")
    if isinstance(model, type) or not all(callable(getattr(model, method, None)) for method in methods):
        raise TypeError(
            f"{parameter} must be a fitted estimator of skvq, with graph_functions() and describe(); got {model!r}. "
            "For a pipeline, pass its steps: export_onnx(pipeline[0], path, prior=pipeline[-1])."
        )
    return model.graph_functions()


def functions_of(model: Any, prior: Any = None) -> dict[str, GraphFunction]:
    """Return all parts of a model, or of an autoencoder and its prior.

    Raises
    ------
    TypeError
        If one is not an estimator of skvq.
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
            # All tensors of a graph need different names.
            reconstructions = replace(decoders[0].outputs[0], name="reconstructions")
            functions[whole.name] = compose(whole.name, "autoencoder", encoders[0], decoders[0], (reconstructions,))
    if decoders:
        for sampler in of_kind(functions, "sampler"):
            # sampler gives generator, and controlled_sampler gives controlled_generator.
            name = sampler.name.replace("sampler", "generator")
            functions[name] = compose(name, "generator", sampler, decoders[0])
    return functions


def described(model: Any, prior: Any = None) -> ModelDescription:
    """Return the description of a model, or of an autoencoder and its prior.

    Raises
    ------
    InvalidInputError
        If the codes of the two do not fit each other.
    """
    said = model.describe()
    if prior is not None:
        more = prior.describe()
        said = replace(said, prior_grid=more.prior_grid, classes=more.classes, tables=more.tables)
    if said.grid is not None and said.prior_grid is not None:
        said.grid.require(said.prior_grid)
    return said


def estimators_of(model: Any, prior: Any = None) -> dict[str, Any]:
    """Return the fitted estimators of a model by their role: ``vqvae``, ``prior``."""
    if prior is not None:
        return {"vqvae": model, "prior": prior}
    stages = {name: getattr(model, f"{name}_", None) for name in ("vqvae", "prior")}
    if None not in stages.values():
        return stages
    return {"prior" if model.describe().grid is None else "vqvae": model}


def choose(functions: Mapping[str, GraphFunction], part: str | None) -> GraphFunction:
    """Return the chosen part. For None, it is the generator, otherwise the encoder, otherwise the sampler.

    Raises
    ------
    ValueError
        If there is no such part, or None could mean several.
    """
    if part is None:
        likely = [function for kind in _DEFAULTS for function in of_kind(functions, kind)]
        if likely or len(functions) == 1:
            return next(iter(likely or functions.values()))
    if part is None or part not in functions:
        hint = " Pass prior= to compose sampler and decoder." if part == "generator" else ""
        raise ValueError(f"part must be one of {', '.join(map(repr, functions))}; got {part!r}.{hint}")
    return functions[part]


def check_parts(parts: Iterable[str]) -> list[str]:
    """Return names of parts without duplicates.

    Raises
    ------
    ValueError
        If there are none, or ``parts`` is not a sequence of str.
    """
    names = list(parts) if isinstance(parts, Iterable) and not isinstance(parts, str) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"parts must be a sequence of names of parts; got {parts!r}. "
            'Pass parts=["encoder", "decoder", "generator"], or None for all.'
        )
    return list(dict.fromkeys(names))
