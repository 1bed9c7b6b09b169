"""Identifies the process of a run, to detect runs whose process died."""

import os
import socket

import psutil


def this_process():
    """A unique name of this process, `<host>/<process id>/<start time>`."""
    return _name(psutil.Process(os.getpid()))


def is_dead(name):
    """Whether a process, named by `this_process`, has ended; False for those of other machines."""
    host, number, _ = name.rsplit("/", 2)
    if host != socket.gethostname():
        return False
    try:
        return _name(psutil.Process(int(number))) != name
    except psutil.NoSuchProcess:
        return True


def _name(process):
    return f"{socket.gethostname()}/{process.pid}/{process.create_time():.2f}"
