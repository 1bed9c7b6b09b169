"""Base class of the memory models: raw input from the command line, and labels of steps."""

import numpy as np
from keras import ops

from zoo.array_files import read_array
from zoo.models.memory.memory_preprocessor import SYMBOLS
from zoo.models.memory.memory_stream import MemoryStream
from zoo.models.protocol import InputSchema, TaskModel
from zoo.typing import Tensor

VALUES = InputSchema("values", "float32", rank=2)


class MemoryInput(TaskModel):
    """A task model whose raw input is a str of symbols, or values `[time, features]`.

    A mixin before a `keras_hub.models.Task` with a `MemoryPreprocessor`.
    """

    task_kind = "memory"

    @property
    def least_steps(self) -> int:
        """The minimum number of steps of a sequence."""
        return 1

    @property
    def input_schema(self) -> InputSchema:
        return SYMBOLS if self._takes_symbols else VALUES

    def read_input(self, argument: str) -> str | np.ndarray:
        if self._takes_symbols:
            return argument
        return read_array(argument, VALUES, f"[time, {self.preprocessor.feature_dim}]")

    def step_labels(self, inputs: dict[str, Tensor], mask_name: str, count: int) -> list[str]:
        if not self._takes_symbols:
            return super().step_labels(inputs, mask_name, count)
        indices = ops.convert_to_numpy(inputs["sequence"][0]).argmax(axis=1)
        return [self.preprocessor.alphabet[index] for index in indices]

    def stream_obstacle(self) -> str | None:
        if self.preprocessor.permutation is not None:
            return (
                "This model permutes the steps of a sequence, so it needs the whole sequence. Use "
                "predict."
            )
        return super().stream_obstacle()

    def open_stream(self) -> MemoryStream:
        return MemoryStream(self)

    @property
    def _takes_symbols(self):
        return self.preprocessor.alphabet is not None
