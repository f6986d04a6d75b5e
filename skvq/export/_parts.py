"""From fitted estimators to the one function that a part's ONNX graph is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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


def offered(estimator: Any, parameter: str = "estimator") -> dict[str, GraphFunction]:
    """Return what ``estimator`` offers for export.

    Raises
    ------
    TypeError
        If it has no ``graph_functions``.
    """
    if not callable(getattr(estimator, "graph_functions", None)) or isinstance(estimator, type):
        raise TypeError(
            f"{parameter} must be a fitted estimator of skvq that offers graph_functions(); got {estimator!r}. "
            "Of a pipeline, pass the steps: export_onnx(pipeline[0], pipeline[-1], path)."
        )
    return estimator.graph_functions()


def functions_of(estimator: Any, prior: Any = None) -> dict[str, GraphFunction]:
    """Return every part that can be made of an estimator, or of an autoencoder with its prior.

    Raises
    ------
    ValueError
        If the codes of the two do not fit each other.
    """
    functions = dict(offered(estimator))
    decoders = of_kind(functions, "decoder")
    for whole in of_kind(functions, "autoencoder"):
        encoders = [encoder for encoder in of_kind(functions, "encoder") if encoder.inputs == whole.inputs]
        if encoders and decoders:
            # One graph cannot have two tensors of one name.
            reconstructions = replace(decoders[0].outputs[0], name="reconstructions")
            functions[whole.name] = compose(whole.name, "autoencoder", encoders[0], decoders[0], (reconstructions,))
    if prior is None:
        return functions
    more = offered(prior, "prior")
    samplers = of_kind(more, "sampler")
    _check_agreement(estimator, functions, prior, more)
    composed = [compose(_generator_of(sampler), "generator", sampler, decoders[0]) for sampler in samplers]
    return {**functions, **more, **{function.name: function for function in composed}}


def _generator_of(sampler: GraphFunction) -> str:
    """Return the name of the part that decodes what a sampler draws: ``controlled_generator`` and the like."""
    return sampler.name.replace("sampler", "generator")


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


def _check_agreement(vqvae: Any, functions: Mapping, prior: Any, more: Mapping) -> None:
    if not of_kind(functions, "decoder") or not of_kind(more, "sampler"):
        raise ValueError(
            "a generator needs an estimator with a decoder and a prior with a sampler; got parts "
            f"{', '.join(functions)} and {', '.join(more)}. Pass the VQVAE first and the PixelCNNPrior second."
        )
    if _grid(vqvae.grid_.shape) != _grid(prior.grid_.shape):
        raise ValueError(
            f"prior must be fitted to codes of the autoencoder's code_shape_ {tuple(vqvae.grid_.shape)}; its own "
            f"is {tuple(prior.grid_.shape)}. Fit it to vqvae.transform(X), with code_shape=vqvae.grid_.shape."
        )
    n_codes = len(vqvae.codebook_)
    if prior.grid_.n_embeddings > n_codes:
        raise ValueError(
            f"prior must draw codes below the autoencoder's number of codes, {n_codes}; its n_embeddings_ is "
            f"{prior.grid_.n_embeddings}. Fit it with n_embeddings={n_codes} to codes of this autoencoder."
        )


def _grid(code_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (height, width); codes of vectors are one row of a grid."""
    return (1, *code_shape)[-2:]
