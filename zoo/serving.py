"""A server that answers raw input over HTTP: `zoo serve`.

`POST /answers` takes `{"inputs": [...]}` and returns `{"answers": [...]}`, in the order of the
inputs; an input is what `predict` or `generate` of the model takes, or `{"b64": "..."}`, the bytes
of a file. `POST /files` takes such files as `multipart/form-data`. `GET /` says what the model
takes, and `GET /health` that it is ready. `GET /openapi.json` has the types.
"""

import asyncio
import base64
import binascii
import contextlib
import gc
import json
import queue
import socket
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastapi
import pydantic
import uvicorn
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

if TYPE_CHECKING:  # it imports Keras, which takes seconds
    from zoo.models.protocol import TaskModel

BATCH = 32  # inputs answered at once
MAX_BYTES = 64 << 20  # of a request


class Batcher:
    """Answers inputs in batches: those that arrive while a batch is computed form the next one.

    So no input waits for a batch to fill up, and batches grow with the load.

    Args:
        model: a task model of the zoo. One thread uses it.
    """

    def __init__(self, model: "TaskModel") -> None:
        self.model = model
        self._waiting: queue.SimpleQueue[tuple[Any, Future]] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def answer(self, input: Any) -> Future[dict[str, Any]]:
        """A `concurrent.futures.Future` of the answer to one raw input, a dict.

        Its exception is a ValueError if the model rejects the input.
        """
        future: Future[dict[str, Any]] = Future()
        self._waiting.put((input, future))
        return future

    def _work(self):
        while True:
            batch = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(batch) < BATCH:
                    batch.append(self._waiting.get_nowait())
            self._answer([one for one in batch if one[1].set_running_or_notify_cancel()])

    def _answer(self, batch):
        try:
            answers = self.model.answers([input for input, _ in batch]) if batch else []
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:  # one rejected input must not cost the others their answers
                for one in batch:
                    self._answer([one])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)


class File(pydantic.BaseModel, extra="forbid"):
    """The bytes of a file, encoded as base64."""

    b64: str


def application(model: "TaskModel") -> fastapi.FastAPI:
    """The ASGI application that serves a model.

    Args:
        model: a task model of the zoo.

    Returns:
        A `fastapi.FastAPI`.
    """
    schema, batcher = model.input_schema, Batcher(model)
    kind = pydantic.StrictStr if schema.dtype == "string" else float
    for _ in range(schema.rank):
        kind = list[kind]
    takes_files = schema.dtype != "string"

    class Request(pydantic.BaseModel, extra="forbid"):
        inputs: list[kind | File if takes_files else kind]

    class Answers(pydantic.BaseModel):
        answers: list[dict[str, Any]]

    app = fastapi.FastAPI(
        title=f"Recurrent Zoo: {model.task_kind}",
        docs_url=None,
        redoc_url=None,
        max_body_size=MAX_BYTES,
    )

    async def answers(inputs):
        read = [schema.parse(one) for one in inputs]
        return {
            "answers": await asyncio.gather(*map(asyncio.wrap_future, map(batcher.answer, read)))
        }

    @app.post("/answers", response_model=Answers)
    async def post_answers(request: Request):
        return await answers(
            [
                _read(model, _decoded(one.b64), f"inputs.{index}") if isinstance(one, File) else one
                for index, one in enumerate(request.inputs)
            ]
        )

    if takes_files:

        @app.post("/files", response_model=Answers)
        async def post_files(files: list[fastapi.UploadFile]):
            return await answers(
                [_read(model, await file.read(), file.filename or "file") for file in files]
            )

    @app.get("/")
    async def get_model():
        return {
            "task": model.task_kind,
            "input": {"name": schema.name, "dtype": schema.dtype, "rank": schema.rank},
        }

    @app.get("/health")
    async def get_health():
        return {"status": "ready"}

    @app.exception_handler(RequestValidationError)
    async def refuse_request(request, error):
        return _error(400, _reason(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def refuse_path(request, error):
        return _error(error.status_code, error.detail)

    @app.exception_handler(ValueError)
    async def refuse_input(request, error):
        return _error(400, str(error))

    return app


def serve(model: "TaskModel", host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serves a model until the process is asked to stop; running requests are answered first.

    Args:
        model: a task model of the zoo.
        host: str, the address to listen on.
        port: int; 0 for a free one.

    Raises:
        OSError: the address isn't available.
    """
    # What is loaded stays in memory, so the garbage collector needn't scan it, which would stall
    # all requests.
    gc.collect()
    gc.freeze()
    with socket.create_server((host, port)) as listener:
        print(f"Serving at http://{host}:{listener.getsockname()[1]}", flush=True)
        settings = uvicorn.Config(application(model), log_level="warning", access_log=False)
        uvicorn.Server(settings).run(sockets=[listener])


def _read(model, content, name):
    """Reads one raw input from the bytes of a file, as the command line reads a path."""
    with tempfile.NamedTemporaryFile(suffix=Path(name).suffix) as file:
        file.write(content)
        file.flush()
        try:
            return model.read_input(file.name)
        except ValueError as error:
            raise ValueError(str(error).replace(file.name, name)) from error


def _decoded(text):
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"`b64` must be base64. {error}.") from error


def _reason(error):
    """A validation error of FastAPI in one line."""
    place = ".".join(map(str, error["loc"][1:])) or "The request's body"
    received = json.dumps(error.get("input"), default=str)
    return f"{place}: {error['msg']}. Received: {received[:200]}"


def _error(status, reason):
    line = " ".join(reason.split()).encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"error": line}, status)
