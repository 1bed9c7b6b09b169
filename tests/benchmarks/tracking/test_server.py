"""The server of the UI: opened when it answers, and not where another one is."""

import socket
import subprocess
import sys
import webbrowser

import pytest

from benchmarks import __main__ as command_line
from benchmarks.tracking import errors, server

# A server that answers /health half a second after its start, once, and ends at the next request.
SLOW = """
import http.server, sys, time

time.sleep(0.5)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
with http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) as server:
    server.handle_request()
    server.handle_request()
"""


@pytest.fixture
def port():
    """A free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def starts(monkeypatch):
    """A function that sets the script that is started instead of MLflow's server."""
    popen = subprocess.Popen

    def set_script(script, port):
        command = [sys.executable, "-c", script, str(port)]
        monkeypatch.setattr(subprocess, "Popen", lambda *_, **options: popen(command, **options))

    return set_script


def test_the_server_is_waited_for(port, starts):
    starts(SLOW, port)
    with server.running(port) as process:
        assert errors.answers(f"http://127.0.0.1:{port}")
        assert process.wait() == 0


def test_the_command_opens_the_page_of_a_server_that_answers(port, starts, store, monkeypatch):
    starts(SLOW, port)
    opened = []
    monkeypatch.setattr(
        webbrowser, "open", lambda url: opened.append((url, errors.answers(url.split("/#")[0])))
    )
    assert command_line.main(["ui", "--port", str(port)]) == 0
    assert opened == [
        (f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning", True)
    ]


def test_a_server_that_fails_opens_no_page(port, starts, store, monkeypatch):
    starts("raise SystemExit(3)", port)
    monkeypatch.setattr(webbrowser, "open", lambda url: pytest.fail("opened"))
    assert command_line.main(["ui", "--port", str(port)]) == 3


def test_a_port_that_is_taken_is_an_error(port, store, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert command_line.main(["ui", "--port", str(port)]) == 2
    assert f"Port {port} is taken" in capsys.readouterr().out
