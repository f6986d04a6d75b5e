"""The passes that change a converted graph, in their order.

Each pass is a function that changes an ``onnx.GraphProto`` in place. Tensor names are unique at all depths. Passes may
leave unused nodes, because :func:`skvq.export._naming.renamed` keeps only nodes that the outputs need.

Each pass saves measured time in onnxruntime, whose own optimisations run later
(``examples/benchmarks/graph_passes.py``), or some runtime needs it. There are no passes for identities, pairs of
Transposes, repeated Relus and equal constants: tf2onnx and onnxruntime remove them, and own passes saved no time.
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
