"""Ctrl-C and SIGTERM, which end a command at any point.

Python drops an exception that a signal raises inside a destructor or a library's callback, and
libraries convert it to other exceptions. So the signal is remembered too, and long-running code
polls it with `check`.
"""

import contextlib
import signal
import sys
import threading

_received = []


@contextlib.contextmanager
def handled():
    """Context manager: Ctrl-C raises KeyboardInterrupt inside it, and SIGTERM exits with status
    143.

    Outside the main thread, which alone receives signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _received.clear()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, _handle)
    try:
        try:
            yield
        finally:
            check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check():
    """Re-raises the exception of an earlier signal, if it was lost."""
    if _received:
        _raise(_received[0])


def _handle(number, frame):
    _received.append(number)
    _raise(number)


def _raise(number):
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
