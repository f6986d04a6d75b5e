"""The watch itself: every end that it knows is one that it notices."""

import pytest
from watched import watch

pytest.importorskip("resource", reason="limits of a process, as Unix has them")

CASES = """
import os, time
ALLOWED = (ValueError,)

def prepare(folder):
    pass

def run_case(number, folder):
    if number == 1: raise ValueError("broken")
    if number == 2: raise KeyError("not ours")
    if number == 3: time.sleep(60)
    if number == 4: os.abort()
    if number == 5:
        try: bytearray(2**40)
        except MemoryError as error: raise ValueError("too large") from error
    if number == 6: open("/proc/version").close()
    if number == 7: __import__("subprocess").run(["true"])
    if number == 8: __import__("socket").socket().close()
    if number == 9: open(folder / "inside", "w").close()
    if number == 10: open(folder.parents[1] / "outside", "w").close()
    if number == 11: bytearray(os.urandom(1) * 2**27)
"""
ENDS = [
    "read",
    "refused",
    "raw",
    "hang",
    "crash",
    "memory",
    "touched",
    "touched",
    "touched",
    "read",
    "touched",
    "memory",
]


def test_every_end_is_noticed(tmp_path):
    source, folder = tmp_path / "cases.py", tmp_path / "folder"
    source.write_text(CASES)
    folder.mkdir()
    report = watch(source, range(12), folder, seconds=1.5, memory_bytes=2**27)
    ended = {number: end for number, end, _ in report.failures}
    assert [ended.get(number, "refused" if number == 1 else "read") for number in range(12)] == ENDS
    assert (report.counts["read"], report.counts["refused"]) == (2, 1)


def test_cases_that_cannot_be_prepared_are_an_error(tmp_path):
    source = tmp_path / "cases.py"
    source.write_text("raise OSError('no such corpus')")
    with pytest.raises(RuntimeError, match=r"(?s)cases\.py cannot be prepared: .*no such corpus"):
        watch(source, range(3), tmp_path)
