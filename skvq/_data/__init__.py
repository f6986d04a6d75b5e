"""One door for data: what a user hands to ``fit`` or ``transform`` becomes a checked source, once.

Training, codebook maintenance, validation and statistics read rows from the source and never look at X again.
"""

from .arrays import check_images, is_tensor
from .refusals import warn_of_flat_images
from .source import CodeSource, ImageSource, WeightedExamples, WeightedImageSource

__all__ = [
    "CodeSource",
    "ImageSource",
    "WeightedExamples",
    "WeightedImageSource",
    "check_images",
    "is_tensor",
    "warn_of_flat_images",
]
