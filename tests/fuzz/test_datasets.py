"""Readers of data files under thousands of broken ones: an image, or one documented error, and nothing else."""

from pathlib import Path

import pytest
from watched import GOOD, watch

CASES = Path(__file__).with_name("dataset_cases.py")

pytest.importorskip("resource", reason="limits of a process, as Unix has them")
pytest.importorskip("PIL")


@pytest.mark.parametrize(
    "numbers", [range(400), pytest.param(range(400, 12_000), marks=pytest.mark.large)], ids=["short", "long"]
)
def test_broken_files_are_read_or_refused(numbers, tmp_path):
    report = watch(CASES, numbers, tmp_path)
    print(dict(report.counts), f"peak {report.peak_bytes / 2**20:.0f} MiB")
    assert not report.failures, report.failures[:20]
    assert sum(report.counts[end] for end in GOOD) == len(numbers)
    assert all(report.counts[end] > len(numbers) // 50 for end in GOOD)  # neither all whole nor all garbage
