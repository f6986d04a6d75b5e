"""The passes over a converted graph, in their order.

Each is one function that changes an ``onnx.GraphProto`` in place. It may rely on names that are unique at all depths,
and on the passes before it where its docstring says so. Dead nodes are left for :func:`skvq.export._naming.renamed`,
which keeps only what the outputs need. ``examples/benchmarks/graph_passes.py`` measures what each pass is worth.
"""

from collections.abc import Callable
from typing import Any

from ._bindings import limit_bindings
from ._layout import drop_whole_slices, hoist_transposes
from ._tidy import (
    cancel_transposes,
    drop_identities,
    drop_repetitions,
    gather_plainly,
    lift_loop_invariants,
    merge_constants,
)
from ._transposed import fold_last_upsampling

PASSES: dict[str, Callable[[Any], None]] = {
    "lift_loop_invariants": lift_loop_invariants,
    "drop_identities": drop_identities,
    "gather_plainly": gather_plainly,
    "merge_constants": merge_constants,
    "drop_repetitions": drop_repetitions,
    "cancel_transposes": cancel_transposes,
    "drop_whole_slices": drop_whole_slices,
    "hoist_transposes": hoist_transposes,
    "fold_last_upsampling": fold_last_upsampling,
    "limit_bindings": limit_bindings,
}
