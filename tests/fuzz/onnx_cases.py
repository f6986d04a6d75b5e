"""Broken ONNX files, with their right hashes in the manifest."""

from pathlib import Path

from export_cases import ALLOWED, prepare, run_way

__all__ = ["ALLOWED", "prepare", "run_case"]


def run_case(number: int, folder: Path) -> None:
    """Change bytes, protobuf fields or operators of one file."""
    run_way(number % 3, number, folder)
