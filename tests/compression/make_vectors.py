"""Make the stored vectors again; run it by hand when the format gets a new version, and keep the old ones.

python tests/compression/make_vectors.py
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from random_tables import GRIDS, random_tables

from skvq._contract.labels import Classes
from skvq.compression import Codec
from skvq.compression.packing import pack

FOLDER = Path(__file__).parent / "vectors"
DIGEST = b"the weights of a decoder"
CASES = {"square": None, "volume": None, "depth": ["left", "right"], "two-codes": list(range(200))}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, values in CASES.items():
        classes = None if values is None else Classes.of(values)
        tables = random_tables(GRIDS[name], len(values or ()))
        codes = np.random.default_rng(0).integers(tables.grid.n_embeddings, size=(3, tables.grid.n_codes))
        y = None if values is None else [values[0], values[-1], values[1]]
        blobs = Codec(tables, DIGEST, classes).compress(codes, y)
        (FOLDER / f"{name}.bin").write_bytes(pack(tables))
        content = {"classes": values, "codes": codes.tolist(), "y": y, "blobs": [blob.hex() for blob in blobs]}
        (FOLDER / f"{name}.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
