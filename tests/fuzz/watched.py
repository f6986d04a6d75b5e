"""Runs cases in a child process that is watched: time, memory, files, processes and sockets.

A file of cases defines

- ``ALLOWED``: the exceptions that a broken file may raise;
- ``prepare(folder)``: called once in each child, imports what cases need and may write files;
- ``run_case(number, folder)``: one case, drawn from its number alone, in an empty folder; returns normally, or raises.

``watch(source, numbers, folder)`` runs the cases of that file and counts how they end:

``read``, ``refused`` (an exception of ``ALLOWED``), ``raw`` (any other), ``hang`` (past the seconds for one case),
``crash`` (the child died), ``memory`` (it grew past the limit, or a MemoryError was raised or lies behind an error),
and ``touched`` (a file outside the folder was opened or changed, a process started, a socket made).
"""

import importlib.util
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

GOOD = {"read", "refused"}
_STARTUP_SECONDS = 120


@dataclass
class Report:
    """How cases ended: a count of each end, and what failed as ``(number, end, detail)``."""

    counts: Counter = field(default_factory=Counter)
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    peak_bytes: int = 0

    def add(self, number: int, end: str, detail: str = "") -> None:
        self.counts[end] += 1
        if end not in GOOD:
            self.failures.append((number, end, detail))


def watch(
    source: Path, numbers: Iterable[int], folder: Path, *, seconds: float = 10, memory_bytes: int = 2**31
) -> Report:
    """Run cases of a file; after a hang or a crash a new child goes on with the next."""
    report, left = Report(), list(numbers)
    while left:
        with tempfile.TemporaryFile() as errors:
            left = left[_run_child(source, left, folder, seconds, memory_bytes, report, errors) :]
    return report


def _run_child(
    source: Path,
    numbers: list[int],
    folder: Path,
    seconds: float,
    memory: int,
    report: Report,
    errors: BinaryIO,
) -> int:
    """Run cases in one child until all are done or it has to be ended; return how many have ended."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, __file__, str(source), str(folder), str(memory)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=True,
    )
    child.stdin.write(json.dumps(numbers).encode())
    child.stdin.close()
    done, limit = -1, _STARTUP_SECONDS  # the first line says that the child is ready
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            pending = b""
            while True:
                if not selector.select(limit):
                    if done < 0:
                        raise RuntimeError(f"{source} cannot be prepared in {limit} s")
                    report.add(numbers[done], "hang", f"past {limit} s")
                    return done + 1
                chunk = os.read(child.stdout.fileno(), 2**16)
                if not chunk:
                    break
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    answer = json.loads(line)
                    report.peak_bytes = max(report.peak_bytes, answer["peak"])
                    if done >= 0:
                        report.add(numbers[done], answer["end"], answer["detail"])
                    done, limit = done + 1, seconds
        if done < 0:
            errors.seek(0)
            raise RuntimeError(f"{source} cannot be prepared: {errors.read().decode(errors='replace')[-2000:]}")
        if done < len(numbers):
            report.add(numbers[done], "crash", f"exit status {child.wait()}")
            return done + 1
        return len(numbers)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()


def _memory_now() -> tuple[int, int]:
    """Return the bytes of address space and the peak of resident bytes of this process (Linux)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(1024 * int(status[key].split()[0]) for key in ("VmSize", "VmHWM"))


def _audited(folder: Path, events: list[str]):
    """Return a hook that notes what reaches out of the folder; Python's own modules may be imported."""
    inside = os.path.realpath(folder) + os.sep
    code = tuple(os.path.realpath(path) + os.sep for path in {*sys.path, sys.prefix, sys.base_prefix} if path)
    paths = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
    starts = ("subprocess.", "os.exec", "os.posix_spawn", "os.system", "os.fork", "socket.", "ctypes.dlopen", "pty.")

    def outside(path: object) -> bool:
        if isinstance(path, int):  # a descriptor that is open already
            return False
        return not (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(inside)

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or any(c in (mode or "r") for c in "wax+")
            if outside(path) and (writes or not os.path.realpath(os.fsdecode(path)).startswith((*code, "/proc/self/"))):
                events.append(f"open {path!r}")
        elif (event in paths and outside(arguments[0])) or event.startswith(starts):
            events.append(f"{event} {arguments!r}"[:200])

    return hook


def _ended(cases: object, number: int, folder: Path, events: list[str]) -> tuple[str, str]:
    """Run one case here, and return how it ends."""
    place = folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    events.clear()
    end, detail = "read", ""
    try:
        cases.run_case(number, place)
    except BaseException as error:
        end, detail = "refused" if isinstance(error, cases.ALLOWED) else "raw", f"{type(error).__name__}: {error}"
        link = error
        while link is not None:
            end = "memory" if isinstance(link, MemoryError) else end
            link = link.__cause__ or link.__context__
    return ("touched", events[0]) if events else (end, detail[:300])


def _main() -> None:
    import resource

    source, folder, memory = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), int(sys.argv[3])
    os.chdir(folder)  # a name beside a folder's descriptor is relative: it counts as inside
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever libraries print is no answer
    numbers = json.load(sys.stdin)
    sys.path.insert(0, str(source.parent))
    spec = importlib.util.spec_from_file_location("cases", source)
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    cases.prepare(folder)
    space, resident = _memory_now()
    resource.setrlimit(resource.RLIMIT_AS, (space + memory, space + memory))
    events: list[str] = []
    sys.addaudithook(_audited(folder, events))
    print(json.dumps({"peak": 0}), file=answers)
    for number in numbers:
        end, detail = _ended(cases, number, folder, events)
        grown = _memory_now()[1] - resident
        if grown > memory:
            end, detail = "memory", f"{grown} bytes"
        print(json.dumps({"end": end, "detail": detail, "peak": grown}), file=answers)


if __name__ == "__main__":
    _main()
