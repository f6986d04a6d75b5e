"""The runtime under thousands of broken ONNX files: a right answer, or one documented error, and nothing else."""

from pathlib import Path

import pytest
from watched import GOOD, watch

CASES = Path(__file__).with_name("onnx_cases.py")

pytest.importorskip("resource", reason="limits of a process, as Unix has them")


@pytest.mark.parametrize(
    "numbers", [range(200), pytest.param(range(200, 12_000), marks=pytest.mark.large)], ids=["short", "long"]
)
def test_broken_onnx_files_are_run_or_refused(numbers, tmp_path):
    report = watch(CASES, numbers, tmp_path)
    print(dict(report.counts), f"peak {report.peak_bytes / 2**20:.0f} MiB")
    assert not report.failures, report.failures[:20]
    assert sum(report.counts[end] for end in GOOD) == len(numbers)
    assert report.counts["refused"] > len(numbers) // 2
