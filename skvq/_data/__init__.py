"""One door for data: what a user hands to ``fit`` or ``transform`` becomes a checked source, once.

Training, codebook maintenance, validation and statistics read rows from the source and never look at X again.
"""

from skvq._contract.slicing import is_lazy, is_tensor

from .arrays import check_images
from .codes import CodeSource, read_codes
from .order import Batch, Rows, divided, drawn, in_order, shuffled_batches
from .refusals import warn_of_flat_images
from .source import ImageSource, WeightedExamples, WeightedImageSource

__all__ = [
    "Batch",
    "CodeSource",
    "ImageSource",
    "Rows",
    "WeightedExamples",
    "WeightedImageSource",
    "check_images",
    "divided",
    "drawn",
    "in_order",
    "is_lazy",
    "is_tensor",
    "read_codes",
    "shuffled_batches",
    "warn_of_flat_images",
]
