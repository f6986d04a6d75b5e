"""Images as few bytes: codes, entropy-coded with integer tables.

:meth:`skvq.VQGenerator.compress` and :meth:`skvq.runtime.Runtime.compress` write them; this package has what is behind:

- :mod:`~skvq.compression.tables`: the distribution of each code given those before it, in integers
- :mod:`~skvq.compression.frequencies`: logits to frequencies, in integers
- :mod:`~skvq.compression.coder`: codes to payloads, by constriction
- :mod:`~skvq.compression.blobs`: the header, and all that can be wrong with it
- :mod:`~skvq.compression.codec`: the three together, for one model
- :mod:`~skvq.compression.packing`: tables as a file of an export
- :mod:`~skvq.compression.files`: folders of images

It needs NumPy alone, and constriction (``pip install "skvq[codec]"``) once something is coded.
"""

from skvq._contract.errors import CompressedDataError
from skvq.compression.codec import Codec, Sizes, sizes
from skvq.compression.files import FileResult, compress_files, decompress_files

__all__ = ["Codec", "CompressedDataError", "FileResult", "Sizes", "compress_files", "decompress_files", "sizes"]
