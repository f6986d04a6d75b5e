"""What type checkers must know of skvq, and what they must refuse. Nothing here is run: the stage ``types`` checks it.

Both checkers complain about a comment that hides no error, so every line with such a comment is a test.
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np

import skvq
from skvq import VQVAE, CodeGrid, ContextPrior, PixelCNNPrior, VQGenerator, export_onnx, runtime

X = np.zeros((8, 28, 28), np.uint8)

vqvae = VQVAE(n_embeddings=128, beta=1.5)
assert_type(vqvae, VQVAE)
assert_type(vqvae.fit(X), VQVAE)
assert_type(vqvae.fit(X).codebook_, np.ndarray)
assert_type(vqvae.grid_, CodeGrid)
assert_type(vqvae.grid_.shape, tuple[int, ...])
assert_type(vqvae.encode(X), np.ndarray)
assert_type(vqvae.data_range_, tuple[float, float])

prior = PixelCNNPrior(conditional=True, grid=vqvae.grid_)
assert_type(prior.fit(vqvae.encode(X)), PixelCNNPrior)
assert_type(prior.sample(3, y=1, random_state=0), np.ndarray)
assert_type(ContextPrior().fit(vqvae.encode(X)).bits_per_code(vqvae.encode(X)), float)

model = VQGenerator(vqvae, prior).fit(X)
assert_type(model, VQGenerator)
assert_type(model.grid_, CodeGrid)
assert_type(model.sample(16, y=3, random_state=0), np.ndarray)
assert_type(model.score(X), float)
assert_type(export_onnx(model, "folder"), Path)

opened = runtime.load("digits", threads=1)
assert_type(opened, runtime.Runtime)
assert_type(skvq.runtime.load("digits").sample(1), np.ndarray)
assert_type(opened.parts, tuple[str, ...])
assert_type(opened.grid, CodeGrid)
assert_type(skvq.load("model.skvq"), Any)

VQVAE(n_embedings=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
VQVAE(beta="strong")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.sample(n=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
runtime.load("digits", thread=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
skvq.VQVEA  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
