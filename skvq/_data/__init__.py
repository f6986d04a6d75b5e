"""One door for data: what a user hands to ``fit`` or ``transform`` becomes a checked source, once.

Training, codebook maintenance, validation and statistics read rows from the source and never look at X again.
"""

from .arrays import check_images, is_tensor
from .source import CodeSource, ImageSource

__all__ = ["CodeSource", "ImageSource", "check_images", "is_tensor"]
