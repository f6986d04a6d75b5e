"""Drawings of the ONNX graphs of a PixelCNN, which the exporter writes into the files."""

DRAWINGS = {
    "prior": """Logits of each code given the codes before it.

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
    "sampler": """Codes by the inverse of their cumulative distribution. Each feature is computed once.

uniforms float32 (batch, positions), temperature float32 (), labels int64 (batch,), if conditional
       |
   Transpose  to (height, width, batch)
       |
Loop over rows:       Gather the row; MatMul, Tanh * Sigmoid: features of the rows above for each column
  Loop over columns:  MatMul, Tanh * Sigmoid: features of the codes to the left
                      Div by temperature, Exp: weights of the K codes
                      CumSum; LessOrEqual uniforms, ReduceSum: the code
                      Gather its embedding for the next column
       |
    Reshape
       |
codes int64 (batch, positions)""",
    "controlled_sampler": """Codes as in the part sampler, but only from the likeliest ones, and with known codes kept.

uniforms float32 (batch, positions), temperature float32 (), labels int64 (batch,), if conditional
top_k int64 (), top_p float32 (), known_codes int64 (batch, positions)
       |
   Transpose  to (height, width, batch)
       |
Loop over rows:       as in the part sampler
  Loop over columns:  as in the part sampler, up to the weights of the K codes
                      TopK of all, CumSum: the smallest weight that top_k and top_p keep
                      GreaterOrEqual, Mul: smaller weights become 0
                      CumSum; LessOrEqual uniforms, ReduceSum: the code
                      a code of known_codes replaces it; Gather its embedding for the next column
       |
    Reshape
       |
codes int64 (batch, positions)""",
}
