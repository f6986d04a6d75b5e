"""What a model is, as lines of text for people."""

import os

from skvq._contract.description import ModelDescription
from skvq._contract.errors import printable

from ._description import shape_text
from ._runtime import Runtime


def describe_model(name: str, model: ModelDescription) -> str:
    """Return rows, codes and classes of a model, under its name."""
    lines = [name]
    if model.layout is not None and model.data_range is not None:
        low, high = model.data_range
        rows = f"{shape_text(model.layout.row_shape)} {model.layout.dtype}"
        lines.append(f"  rows     {rows}, values {low:g} to {high:g}")
    lines.append(f"  codes    {model.codes}")
    if model.classes is not None:
        lines.append(f"  classes  {', '.join(map(printable, model.classes.values.tolist()))}")
    return "\n".join(lines)


def describe(runtime: Runtime) -> str:
    """Return what an export holds: the model, and each file with its inputs and outputs."""
    source = runtime.source
    lines = [describe_model(source.name, source.description)]
    if source.versions:
        lines.append(f"  made by  {', '.join(f'{name} {version}' for name, version in source.versions.items())}")
    for file in source.parts.values():
        lines.append(f"\n{os.path.basename(file.name)}, {_size(file.n_bytes)}")
        for direction, tensors in (("in ", file.inputs), ("out", file.outputs)):
            for tensor in tensors:
                name, meaning = printable(tensor["name"]), printable(tensor["description"])
                what = f"{tensor['dtype']} {shape_text(tensor['shape'])}"
                lines.append(f"  {direction}  {name:<14}  {what:<26}  {meaning}")
    return "\n".join(lines)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes >= 2**20 else f"{n_bytes / 2**10:.1f} KiB"
