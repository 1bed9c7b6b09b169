"""Which process a run belongs to, so that runs of dead processes can be told."""

import os
import socket

import psutil


def this_process():
    """A name of this process that no other has: host, process number and start time."""
    return _name(psutil.Process(os.getpid()))


def is_dead(name):
    """Whether a process of this machine has ended; of another machine that isn't known, so no."""
    host, number, _ = name.rsplit("/", 2)
    if host != socket.gethostname():
        return False
    try:
        return _name(psutil.Process(int(number))) != name
    except psutil.NoSuchProcess:
        return True


def _name(process):
    return f"{socket.gethostname()}/{process.pid}/{process.create_time():.2f}"
