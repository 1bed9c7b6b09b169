"""The server: raw input in, answers out, and one line for what it can't take."""

import base64
import contextlib
import http.client
import io
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
import uvicorn

import zoo
from zoo import cli, serving


@pytest.fixture(scope="module")
def serve():
    """A function that starts a server of a model and returns its port."""
    servers = []

    def start(model):
        config = uvicorn.Config(serving.application(model), port=0, log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        servers.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return server.servers[0].sockets[0].getsockname()[1]

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def texts(serve):
    model = zoo.load("imdb_rnn")
    return model, serve(model)


@pytest.fixture(scope="module")
def sounds(serve):
    model = zoo.load("spoken_digit_rnn")
    return model, serve(model)


def fetch(method, port, path, body=None, headers=None):
    """Returns the status and the body of a response."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request(method, path, body, headers or {})
        response = client.getresponse()
        return response.status, response.read()


def send(port, body, path="/answers", **headers):
    """Posts a body; returns the status and the decoded answer."""
    status, answer = fetch("POST", port, path, body, headers)
    return status, json.loads(answer)


def post(port, content):
    return send(port, json.dumps(content), **{"Content-Type": "application/json"})


def wav(samples, rate):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def same(answers, expected):
    assert [one["label"] for one in answers] == [one["label"] for one in expected]
    for one, other in zip(answers, expected, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def test_texts_are_answered_in_order(texts):
    model, port = texts
    inputs = ["a fine film", "dull", "", "a fine film, really"]
    status, content = post(port, {"inputs": inputs})
    assert status == 200
    same(content["answers"], model.answers(inputs))
    assert post(port, {"inputs": []}) == (200, {"answers": []})


def test_requests_at_once_get_their_own_answers(texts):
    model, port = texts
    inputs = [f"film {'good ' * (index % 7)}" for index in range(24)]
    results = [None] * len(inputs)

    def ask(index):
        results[index] = post(port, {"inputs": [inputs[index]]})

    threads = [threading.Thread(target=ask, args=[index]) for index in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in results} == {200}
    same([content["answers"][0] for _, content in results], model.answers(inputs))


def test_what_waits_is_answered_as_one_batch():
    sizes, go = [], threading.Event()

    class Slow:
        def answers(self, inputs):
            go.wait(10)
            sizes.append(len(inputs))
            return [{"output": one} for one in inputs]

    batcher = serving.Batcher(Slow())
    first = batcher.answer(0)
    while not first.running():
        time.sleep(0.01)
    others = [batcher.answer(index) for index in range(1, 6)]
    go.set()
    assert [one.result(10)["output"] for one in [first, *others]] == [0, 1, 2, 3, 4, 5]
    assert sizes == [1, 5]


def test_a_refused_input_costs_the_others_nothing():
    class Picky:
        def answers(self, inputs):
            if "bad" in inputs:
                raise ValueError("bad")
            return [{"output": one} for one in inputs]

    batcher = serving.Batcher(Picky())
    futures = [batcher.answer(one) for one in ["good", "bad", "good"]]
    assert futures[0].result(10) == futures[2].result(10) == {"output": "good"}
    with pytest.raises(ValueError, match="bad"):
        futures[1].result(10)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Field required"),
        (b"{", "JSON"),
        (b"\xff", "body"),
        (b"[" * 100_000, "body"),
        (b'{"inputs": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "body"),
        (b"[]", "The request's body"),
        (b"{}", "inputs: Field required"),
        (b'{"inputs": null}', "inputs"),
        (b'{"inputs": "dull"}', "inputs: Input should be a valid list"),
        (b'{"inputs": [null]}', "inputs.0: Input should be a valid string. Received: null"),
        (b'{"inputs": [1.5]}', "inputs.0: Input should be a valid string. Received: 1.5"),
        (b'{"inputs": [["dull"]]}', "inputs.0"),
        (b'{"inputs": [{"b64": "AAAA"}]}', "inputs.0"),
        (b'{"inputs": ["\\ud800"]}', "`text` must be UTF-8"),
        (b'{"text": ["dull"]}', "inputs: Field required"),
        (b'{"inputs": [], "more": 1}', "more: Extra inputs are not permitted"),
    ],
)
def test_malformed_requests_get_one_line(texts, body, message):
    for headers in ({"Content-Type": "application/json"}, {}, {"Content-Type": "text/plain"}):
        status, content = send(texts[1], body, **headers)
        assert status == 400
        assert content.keys() == {"error"}
        assert content["error"].count("\n") == 0
        assert len(content["error"]) < 400
        if "Content-Type" in headers and "json" in headers["Content-Type"]:
            assert message in content["error"]


def test_other_requests_are_refused(texts):
    assert send(texts[1], "", "/other") == (404, {"error": "Not Found"})
    assert send(texts[1], "", "/health") == (405, {"error": "Method Not Allowed"})
    assert send(texts[1], "", "/files")[0] == 404  # a model of texts takes no files


def test_a_request_that_is_too_long_is_refused(texts, serve, monkeypatch):
    monkeypatch.setattr(serving, "MAX_BYTES", 100)
    body = json.dumps({"inputs": ["a" * 200]})
    headers = {"Content-Type": "application/json"}
    assert fetch("POST", serve(texts[0]), "/answers", body, headers)[0] == 413


def test_sounds_are_taken_as_numbers_base64_and_files(sounds):
    model, port = sounds
    rate = 8000
    samples = np.sin(np.arange(rate // 2) / 5).astype("float32") / 2
    expected, file = model.answers([samples]), wav(samples, rate)
    status, content = post(port, {"inputs": [samples.tolist()]})
    assert status == 200
    same(content["answers"], expected)
    status, content = post(port, {"inputs": [{"b64": base64.b64encode(file).decode()}]})
    assert status == 200
    same(content["answers"], expected)
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="files"; filename="one.wav"\r\n\r\n'
        + file
        + b"\r\n--edge--\r\n"
    )
    form = {"Content-Type": "multipart/form-data; boundary=edge"}
    status, content = send(port, body, "/files", **form)
    assert status == 200
    same(content["answers"], expected)
    status, content = send(port, body.replace(file, b"no sound"), "/files", **form)
    assert status == 400
    assert content["error"].startswith("one.wav can't be read as a sound file")


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ({"b64": "?"}, "base64"),
        ({"b64": ""}, "can't be read"),
        ([], "at least one sample"),
        ([0.1, None], "inputs.0"),
        ([[0.1]], "inputs.0"),
        ([float("nan")] * 4000, "NaN"),
    ],
)
def test_bad_sounds_get_one_line(sounds, input, message):
    status, content = post(sounds[1], {"inputs": [input]})
    assert status == 400
    assert message in content["error"]


def test_the_server_tells_what_it_takes(sounds):
    for path, key in [("/", "input"), ("/health", "status"), ("/openapi.json", "paths")]:
        status, content = fetch("GET", sounds[1], path)
        assert status == 200
        assert key in json.loads(content)


def test_the_command_serves_until_it_is_told_to_end():
    command = [sys.executable, "-m", "zoo", "serve", "imdb_rnn", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline().rsplit(":")[-1])
            assert post(port, {"inputs": ["a fine film"]})[0] == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def test_a_port_in_use_is_told_in_a_line(texts, capsys):
    assert cli.main(["serve", "imdb_rnn", "--port", str(texts[1])]) == 2
    assert "Address already in use" in capsys.readouterr().err
