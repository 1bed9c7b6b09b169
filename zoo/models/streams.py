"""Streams: raw inputs that are read piece by piece, with a model's states kept between pieces."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.protocol import InputError, TaskModel


def stream(model: TaskModel) -> "Stream":
    """Opens a stream, which reads a raw input piece by piece.

    Args:
        model: a model of the zoo, such as `zoo.load` returns.

    Returns:
        A `Stream`.

    Raises:
        ValueError: the model needs its whole input; the message says why.

    Example:
    ```python
    digits = zoo.stream(zoo.load("spoken_digit_gru"))
    for samples in microphone:  # float arrays [samples], of any length
        probabilities = digits.read(samples)
    probabilities = digits.read(is_last=True)
    ```
    """
    if model.preprocessor is None:
        raise ValueError("A stream reads raw input, for which the model needs its preprocessor.")
    if obstacle := model.stream_obstacle():
        raise ValueError(obstacle)
    return model.open_stream()


class Stream:
    """Reads one raw input piece by piece; all pieces together give the same result as the whole
    input.

    A subclass defines `_begin` and `_read`.

    Args:
        model: a `TaskModel` without a `stream_obstacle`.

    Attributes:
        sampling_rate: int, in Hz, of the waveform that the stream reads; None if its input isn't a
            waveform.
        is_over: bool, whether the input has ended.
    """

    sampling_rate = None

    def __init__(self, model: TaskModel) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Begins a new input."""
        self.is_over = False
        self._begin()

    def read(self, piece: Any = None, is_last: bool = False) -> Any:
        """Reads a piece of the input.

        Args:
            piece: a piece of the model's raw input, of any length; None if there is nothing more to
                read.
            is_last: bool, whether the input ends.

        Returns:
            See the class of the model's stream.

        Raises:
            InputError: the model doesn't take the piece, which is then not read.
            ValueError: the input has ended.
        """
        if self.is_over:
            raise ValueError("This input has ended. Call `reset` to begin a new one.")
        output = self._read(piece, is_last)
        self.is_over = is_last
        return output

    @property
    def answer(self) -> dict[str, Any] | None:
        """The answer to what was read so far, a dict as `TaskModel.answers` returns them; None
        if there is none yet."""
        raise NotImplementedError

    def answer_text(self, answer: dict[str, Any]) -> str:
        """An answer as a line of text."""
        return self.model.answer_text(answer)

    def piece_of(self, line: str) -> Any:
        """The piece of input that a line of standard input represents.

        Args:
            line: str, with its newline if it has one.
        """
        raise NotImplementedError

    def _begin(self):
        """Resets everything that belongs to one input."""
        raise NotImplementedError

    def _read(self, piece, is_last):
        """As `read`."""
        raise NotImplementedError


class PredictorStream(Stream):
    """A stream of a model whose `predict` gives one array for an input.

    `read` returns the array for what was read so far, a row of `predict`; None before the first
    step.
    """

    def _begin(self):
        self._states = self.model.initial_states(1)
        self._output = None

    @property
    def answer(self) -> dict[str, Any] | None:
        return None if self._output is None else self.model.answer_of(self._output)

    def _advance(self, piece):
        """Reads a piece as the model's `continued` takes it."""
        output, *self._states = compiled(self.model.continued)(piece, self._states)
        self._output = ops.convert_to_numpy(output)[0]


def numbers_of(line: str) -> np.ndarray:
    """The numbers on a line of text, float32 `[numbers]`, separated by commas or spaces.

    Raises:
        InputError: the line has anything else.
    """
    try:
        return np.array(line.replace(",", " ").split(), "float32")
    except ValueError:
        raise InputError(
            "A line must hold numbers with commas or spaces between them. Received: "
            f"{line.strip()!r}"
        ) from None


def compiled(method: Any) -> Callable[..., Any]:
    """A method as a function that is compiled once for pieces of any length.

    Args:
        method: of a Keras layer or model, of nested arrays or tensors. Those with two or more axes
            in the first argument are pieces `[1, time, ...]` of any length; all others have the
            same shape in every call.

    Returns:
        A function that returns a flat list of tensors, outside training. An argument may also be a
        flat list of its elements, such as the states that an earlier call returned.
    """
    # Bypasses Keras, which would save what it finds in an attribute.
    functions = vars(method.__self__).setdefault("_compiled_methods", {})
    if method.__name__ not in functions:
        functions[method.__name__] = _Compiled(method)
    return functions[method.__name__]


class _Compiled:
    """Flat lists in and out: traversing nested ones takes longer than a small network."""

    def __init__(self, method):
        self._method = method
        self._function = None

    def __call__(self, *arguments):
        if self._function is None:
            self._function = self._compile(arguments)
        return self._function(*keras.tree.flatten(arguments))

    def _compile(self, arguments):
        def call(*flat):
            flat = [ops.convert_to_tensor(array) for array in flat]
            return keras.tree.flatten(self._method(*keras.tree.pack_sequence_as(arguments, flat)))

        if keras.backend.backend() == "torch":
            import torch

            return torch.no_grad()(call)  # or the states would keep all earlier pieces in memory
        if keras.backend.backend() != "tensorflow":
            return call
        import tensorflow as tf

        of_piece = lambda array: array.shape if array.ndim < 2 else (1, None, *array.shape[2:])
        shapes = [of_piece(array) for array in keras.tree.flatten(arguments[0])]
        shapes += [array.shape for array in keras.tree.flatten(arguments[1:])]
        specs = [
            tf.TensorSpec(shape, array.dtype)
            for shape, array in zip(shapes, keras.tree.flatten(arguments), strict=True)
        ]
        function = tf.function(call, autograph=False).get_concrete_function(*specs)
        captured = function.captured_inputs
        types = [tensor.dtype for tensor in function.outputs]
        tensor = lambda array: tf.constant(array) if isinstance(array, np.ndarray) else array
        # `function(*flat)` compares all types in Python, and `ops.convert_to_tensor` looks at every
        # kind of tensor: each takes longer than a small network.
        return lambda *flat: tf.raw_ops.StatefulPartitionedCall(
            args=[*map(tensor, flat), *captured], Tout=types, f=function
        )
