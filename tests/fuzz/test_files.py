"""``skvq.load`` under thousands of broken files: an estimator, or one documented error, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from watched import GOOD, watch

from skvq import ContextPrior, VQGenerator

CASES = Path(__file__).with_name("file_cases.py")

pytest.importorskip("resource", reason="limits of a process, as Unix has them")


@pytest.mark.parametrize(
    "numbers", [range(200), pytest.param(range(200, 12_000), marks=pytest.mark.large)], ids=["short", "long"]
)
def test_broken_files_are_loaded_or_refused(numbers, vqvae, prior, codes, labels, tmp_path):
    bases = tmp_path / "bases"
    bases.mkdir()
    context = ContextPrior(grid=vqvae.grid_, conditional=True).fit(codes, np.array(["upright", "level"])[labels])
    context.save(bases / "0")
    vqvae.save(bases / "1")
    prior.save(bases / "2")
    VQGenerator.from_fitted(vqvae, context).save(bases / "3")
    report = watch(CASES, numbers, tmp_path)
    print(dict(report.counts), f"peak {report.peak_bytes / 2**20:.0f} MiB")
    assert not report.failures, report.failures[:20]
    assert sum(report.counts[end] for end in GOOD) == len(numbers)
    assert all(report.counts[end] > len(numbers) // 50 for end in GOOD)  # neither all whole nor all garbage
