"""Errors of the store: an unreachable server, a full disk, a database that can't be opened."""

import contextlib
import errno
import os

from zoo.files import full_disk


class TrackingError(RuntimeError):
    """Runs can't be logged or read. The message says why, and what to do."""


def check_server(uri):
    """Checks that a tracking server answers.

    Raises:
        TrackingError: it doesn't answer within five seconds.
    """
    import requests

    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=5)
    except requests.RequestException as error:
        raise TrackingError(
            f"The tracking server {uri} can't be reached ({_reason(error)}). Start it, correct "
            "MLFLOW_TRACKING_URI, or unset it to log to this checkout."
        ) from error


def answers(uri):
    """Whether a tracking server answers within a second."""
    import requests

    try:
        return requests.get(f"{uri}/health", timeout=1).ok
    except requests.RequestException:
        return False


@contextlib.contextmanager
def explained():
    """Turns errors of MLflow and of full disks into one-line errors.

    Raises:
        TrackingError: the store doesn't answer or can't be opened.
        OSError: the disk is full.
    """
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, requests.RequestException) as error:
        check_space(error)
        uri = os.environ.get("MLFLOW_TRACKING_URI", "")
        where = f"The tracking server {uri}" if uri.startswith("http") else "The store of runs"
        raise TrackingError(
            f"{where} failed: {_reason(error)}. What is trained so far is kept; run the same "
            "command again once that is fixed."
        ) from error
    except Exception as error:
        check_space(error)
        raise


def check_space(error):
    """Raises OSError if an exception, or one that caused it, says that a disk is full."""
    if cause := full_disk(error):
        name = getattr(cause, "filename", None)
        place = f" ({name})" if name else ""
        raise OSError(
            errno.ENOSPC,
            f"The disk is full{place}. Make room and run the same command again: finished runs and "
            "checkpoints are kept",
        ) from error


def _reason(error):
    """The last cause of an error in a few words."""
    cause = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    text = lines[0] if lines else type(cause).__name__
    return text.rstrip(".") if len(text) <= 200 else f"{text[:200]}..."
