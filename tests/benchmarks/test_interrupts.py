"""Signals end a command, also where Python drops their exception."""

import concurrent.futures
import signal

import pytest

from benchmarks import interrupts


class Destructor:
    """Receives a signal where exceptions are dropped."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
@pytest.mark.parametrize("is_asked", [True, False])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_was_dropped_is_raised_later(number, expected, is_asked):
    reached = []
    with pytest.raises(expected):
        drop(number, is_asked, reached)
    assert reached == ["the signal was dropped"]


@interrupts.handled()
def drop(number, is_asked, reached):
    Destructor(number)
    reached.append("the signal was dropped")
    if is_asked:
        interrupts.check()
        reached.append("and lost")


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_of_which_a_library_made_another_exception_is_raised(number, expected):
    with pytest.raises(expected):
        convert(number)


@interrupts.handled()
def convert(number):
    try:
        signal.raise_signal(number)
    except BaseException as error:
        raise AttributeError("of a library") from error


def test_handlers_are_restored_and_signals_forgotten():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    with interrupts.handled():
        interrupts.check()


def test_another_thread_leaves_the_handlers_alone():
    before = signal.getsignal(signal.SIGINT)
    with concurrent.futures.ThreadPoolExecutor() as pool, interrupts.handled():
        ours = signal.getsignal(signal.SIGINT)
        assert pool.submit(handler_inside).result() == ours != before


def handler_inside():
    with interrupts.handled():
        return signal.getsignal(signal.SIGINT)
