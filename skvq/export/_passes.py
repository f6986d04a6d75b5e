"""The passes over a converted graph, in their order.

Each is one function that changes an ``onnx.GraphProto`` in place. It may rely on names that are unique at all depths.
Dead nodes are left for :func:`skvq.export._naming.renamed`, which keeps only what the outputs need.

A pass stands here because it was measured to save time in onnxruntime, whose own optimisations run after it
(``examples/benchmarks/graph_passes.py``), or because a graph would not run somewhere without it. Identities, pairs of
Transposes, repeated Relus and equal constants are left to tf2onnx and to onnxruntime: passes of our own against them
saved no time.
"""

from collections.abc import Callable
from typing import Any

from ._bindings import limit_bindings
from ._gather_indices import gather_plainly
from ._loop_invariants import lift_loop_invariants
from ._transposed import fold_last_upsampling

PASSES: dict[str, Callable[[Any], None]] = {
    "lift_loop_invariants": lift_loop_invariants,
    "gather_plainly": gather_plainly,
    "fold_last_upsampling": fold_last_upsampling,
    "limit_bindings": limit_bindings,
}
