"""Broken manifests of files that are whole."""

from pathlib import Path

from export_cases import ALLOWED, prepare, run_way

__all__ = ["ALLOWED", "prepare", "run_case"]


def run_case(number: int, folder: Path) -> None:
    """Change values or bytes of the manifest."""
    run_way(3 + number % 2, number, folder)
