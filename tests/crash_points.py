"""Stop a process at each of its file-system events in turn, as kill -9 or Ctrl-C would, and look at what is left."""

import os
import signal
import sys
from collections.abc import Callable

EVENTS = {
    *("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.listdir", "os.scandir"),
    *("shutil.copymode", "ctypes.call_function", "fcntl.flock"),
}


def events_of(action: Callable[[], None]) -> list[str]:
    """Return the events of a whole run, in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        sys.addaudithook(lambda event, _: event in EVENTS and os.write(writing, f"{event}\n".encode()))
        _run(action)
    os.close(writing)
    with os.fdopen(reading) as file:
        events = file.read().split()
    os.waitpid(child, 0)
    return events


def killed_at(number: int, action: Callable[[], None]) -> bool:
    """Run an action in a child that is killed right before an event; False if it ended before."""
    child = os.fork()
    if child == 0:
        left = [number]

        def hook(event: str, _: tuple) -> None:
            if event in EVENTS:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        _run(action)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def interrupted_at(number: int, action: Callable[[], None]) -> bool:
    """Run an action in a child where KeyboardInterrupt comes before an event; False if it ended before."""
    child = os.fork()
    if child == 0:
        left = [number]

        def hook(event: str, _: tuple) -> None:
            if event in EVENTS:
                left[0] -= 1
                if left[0] == -1:
                    raise KeyboardInterrupt

        sys.addaudithook(hook)
        _run(action)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _run(action: Callable[[], None]) -> None:
    """Run an action and end this child at once, with 1 if anything was raised."""
    status = 1
    try:
        action()
        status = 0
    finally:
        os._exit(status)
