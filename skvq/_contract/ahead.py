"""Read what comes next by a thread, while what was read before is worked on."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")

DEPTH = 3  # batches that are read ahead
THREAD_NAME = "skvq-reader"


def read_ahead(
    read: Callable[[Request], Answer], requests: Iterable[Request], depth: int = DEPTH
) -> Generator[tuple[Request, Answer], None, None]:
    """Yield each request with its answer, in order, while one thread reads the next ones.

    The thread ends with the iterator: after the last request, after an error, and when the iterator is closed. Close it
    (``contextlib.closing``) where the loop over it may be left early. Requests are made in the caller's thread.

    Parameters
    ----------
    read : callable
        ``read(request)``. What it raises is raised here, in the place of its answer.
    requests : iterable
    depth : int
        Requests that are read ahead. 0 reads in the caller's thread, without another one.
    """
    if not depth:
        for request in requests:
            yield request, read(request)
        return
    coming: deque[tuple[Request, Future]] = deque()
    rest = iter(requests)
    reader = ThreadPoolExecutor(1, thread_name_prefix=THREAD_NAME)
    try:
        while True:
            while len(coming) <= depth:
                try:
                    request = next(rest)
                except StopIteration:
                    break
                coming.append((request, reader.submit(read, request)))
            if not coming:
                return
            request, answer = coming.popleft()
            yield request, answer.result()
    finally:
        reader.shutdown(wait=True, cancel_futures=True)
