"""Reading ahead: answers in order, errors in their place, and a thread that always ends."""

import threading
import time
from contextlib import closing

import pytest

from skvq._contract.ahead import THREAD_NAME, read_ahead


def readers():
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not readers()


@pytest.mark.parametrize("depth", [0, 1, 3, 50])
@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_answers_come_in_order(depth, n):
    assert list(read_ahead(lambda x: x * x, range(n), depth)) == [(x, x * x) for x in range(n)]


def test_a_thread_reads_while_the_caller_works():
    read = []
    with closing(read_ahead(lambda x: read.append(x) or threading.current_thread().name, range(10), 3)) as answers:
        _, name = next(answers)
        assert name.startswith(THREAD_NAME)
        for _ in range(200):
            if len(read) >= 4:
                break
            time.sleep(0.01)
        assert read == [0, 1, 2, 3]  # and not further ahead than it may


def test_without_depth_the_caller_reads():
    assert [name for _, name in read_ahead(lambda _: threading.current_thread().name, range(2), 0)] == [
        threading.current_thread().name
    ] * 2


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_comes_in_the_place_of_its_answer(depth):
    def read(x):
        if x == 3:
            raise OSError("the disk is gone")
        return x

    answers = read_ahead(read, range(9), depth)
    assert [next(answers) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(OSError, match="the disk is gone"):
        next(answers)
    assert list(answers) == []


def test_the_thread_ends_if_the_loop_is_left():
    with closing(read_ahead(lambda x: x, range(100), 3)) as answers:
        next(answers)
        assert readers()
    assert not readers()


def test_the_thread_ends_if_the_caller_fails():
    def work():
        with closing(read_ahead(lambda x: x, range(100), 3)) as answers:
            for _ in answers:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()


def test_an_error_in_the_requests_ends_the_thread():
    def requests():
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(read_ahead(lambda x: x, requests(), 3))
