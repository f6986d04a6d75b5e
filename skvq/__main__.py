"""``python -m skvq``, and the program ``skvq``."""

import sys

from skvq._command_line import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
