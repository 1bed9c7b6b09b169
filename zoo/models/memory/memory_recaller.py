"""Task: symbols in, the remembered ones out."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.classifier import Classifier
from zoo.models.memory.memory_backbone import MemoryBackbone
from zoo.models.memory.memory_input import MemoryInput
from zoo.models.memory.memory_preprocessor import MemoryPreprocessor
from zoo.models.protocol import InputError, register
from zoo.models.sequence_predictor import SequencePredictor
from zoo.typing import Shape, Tensor


@register
class MemoryRecaller(MemoryInput, SequencePredictor, keras_hub.models.Task):
    """Predicts a remembered symbol at each of the last steps of a sequence, by a softmax.

    `generate` takes and returns a list of str; `predict` returns the probabilities, float32
    `[batch, count, len(symbols)]`.

    Args:
        backbone: `MemoryBackbone`.
        count: int, the number of symbols to recall. Sequences need at least as many steps.
        symbols: str, the symbols that may be recalled, one character each.
        preprocessor: `MemoryPreprocessor` of symbols, or None to pass padded batches yourself.

    Example:
    ```python
    backbone = zoo.models.MemoryBackbone("lstm", feature_dim=4)
    preprocessor = zoo.models.MemoryPreprocessor(alphabet="ab.:")
    model = zoo.models.MemoryRecaller(backbone, 2, "ab", preprocessor)
    model.generate(["ba....:.."])  # a list of str of two letters
    ```
    """

    backbone_cls = MemoryBackbone
    preprocessor_cls = MemoryPreprocessor
    output_name = "probabilities"
    reduction = "last_steps"
    compile = Classifier.compile

    def __init__(
        self,
        backbone: MemoryBackbone,
        count: int,
        symbols: str,
        preprocessor: MemoryPreprocessor | None = None,
        **kwargs: Any,
    ) -> None:
        encoded = backbone(backbone.input)
        x = LastSteps(count, dtype=backbone.dtype_policy, name="last_steps")(
            encoded["sequence"], encoded["padding_mask"]
        )
        outputs = keras.layers.Dense(
            len(symbols), activation="softmax", dtype="float32", name="probabilities"
        )(x)
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.count = count
        self.symbols = symbols
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def predict(self, x: Any, batch_size: int = 32, **kwargs: Any) -> np.ndarray:
        """Probabilities of the symbols at the last steps, as `Predictor.predict`.

        Raises:
            ValueError: a sequence has fewer than `count` steps.
        """
        is_raw = self.preprocessor is not None and isinstance(x, (list, tuple))
        for one in self.input_schema.parse_all(x) if is_raw else ():
            if len(one) < self.count:
                raise InputError(
                    f"A sequence must have at least {self.count} symbols. Received: {one!r}"
                )
        return super().predict(x, batch_size=batch_size, **kwargs)

    @property
    def least_steps(self) -> int:
        return self.count

    def generate(self, inputs: Sequence[str], batch_size: int = 32) -> list[str]:
        """The likeliest symbols at the last steps.

        Args:
            inputs: list of str.
            batch_size: int.

        Returns:
            A list of str of `count` symbols, in the order of `inputs`.

        Raises:
            ValueError: a sequence has fewer than `count` steps.
        """
        rows = self.predict(self.input_schema.parse_all(inputs), batch_size)
        return [self.answer_of(row)["output"] for row in rows]

    def answer_of(self, output: np.ndarray) -> dict[str, Any]:
        """The likeliest symbols, a dict `{"output": str}`."""
        return {"output": "".join(self.symbols[index] for index in output.argmax(axis=-1))}

    def answer_text(self, answer: dict[str, Any]) -> str:
        return answer["output"]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count, "symbols": self.symbols}


@keras.saving.register_keras_serializable(package="zoo")
class LastSteps(keras.layers.Layer):
    """Picks the last steps of padded sequences.

    Args:
        count: int, the number of steps.

    Call arguments:
        inputs: float tensor `[batch, time, features]`.
        padding_mask: bool tensor `[batch, time]`, False at padding at the end of a row. Each row
            needs at least `count` steps.

    Returns:
        A float tensor `[batch, count, features]`.
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count
        self.supports_masking = True

    def call(self, inputs: Tensor, padding_mask: Tensor) -> Tensor:
        lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=1, keepdims=True)
        steps = lengths - self.count + ops.arange(self.count)
        return ops.take_along_axis(inputs, steps[:, :, None], axis=1)

    def initial_state(self, batch_size: int, features: int) -> Tensor:
        """The steps before the first piece of a sequence, zeros; see `continued`."""
        return ops.zeros((batch_size, self.count, features), self.compute_dtype)

    def continued(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The last steps of a sequence after a piece `[batch, time, features]`, given the last
        steps before it; returned twice, as output and as state."""
        last = ops.concatenate([state, inputs], axis=1)[:, -self.count :]
        return last, last

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        return None

    def compute_output_shape(
        self, inputs_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> Shape:
        return (inputs_shape[0], self.count, inputs_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}
