"""How the graphs of a PixelCNN look in ONNX: the exporter writes these drawings into the files."""

DRAWINGS = {
    "prior": """Logits of every code given those before it.

codes int64 (batch, positions)      labels int64 (batch,), if conditional
       |                                   |
  OneHot, MatMul                     OneHot, MatMul, Split
       |                                   |
   Transpose  to channels first            |
       |            |                      |
     Pad, Slice   Pad, Slice   down a row; right a column
       |            |                      |
   [ Conv ------> Conv ] <--- Add ---------+   each layer: rows above, then codes to the left
   [ Tanh * Sigmoid    ]
                    |
   Transpose  back
       |
   Relu, MatMul, Relu, MatMul
       |
logits float32 (batch, positions, K)""",
    "sampler": """Codes by the inverse of their cumulative distribution, each feature computed once.

uniforms float32 (batch, positions), temperature float32 (), labels int64 (batch,), if conditional
       |
   Transpose  to (height, width, batch)
       |
Loop over rows:       Gather the row; MatMul, Tanh * Sigmoid: what the rows above say to each column
  Loop over columns:  MatMul, Tanh * Sigmoid: what the codes to the left say
                      Div by temperature, Exp: weights of the K codes
                      CumSum; LessOrEqual uniforms, ReduceSum: the code
                      Gather its embedding for the next column
       |
    Reshape
       |
codes int64 (batch, positions)""",
    "controlled_sampler": """Codes as the part sampler draws them, from the likeliest only and around known ones.

uniforms float32 (batch, positions), temperature float32 (), labels int64 (batch,), if conditional
top_k int64 (), top_p float32 (), known_codes int64 (batch, positions)
       |
   Transpose  to (height, width, batch)
       |
Loop over rows:       as in the part sampler
  Loop over columns:  as in the part sampler, up to the weights of the K codes
                      TopK of all, CumSum: from which weight on the top_k likeliest and top_p are reached
                      GreaterOrEqual, Mul: the rest weigh nothing
                      CumSum; LessOrEqual uniforms, ReduceSum: the code
                      where known_codes has one, that one; Gather its embedding for the next column
       |
    Reshape
       |
codes int64 (batch, positions)""",
}
