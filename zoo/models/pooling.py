"""Pooling of a padded sequence into one vector."""

from typing import Any, Literal

import keras
from keras import ops

from zoo.typing import Shape, Tensor

METHODS = ("mean", "max", "last")


@keras.saving.register_keras_serializable(package="zoo")
class SequencePooling(keras.layers.Layer):
    """Pools over time, ignoring padding.

    Args:
        method: one of `"mean"`, `"max"`, `"last"` (the last step that isn't padding).

    Call arguments:
        inputs: float tensor `[batch, time, features]`.
        padding_mask: bool tensor `[batch, time]`, False at padding. A row with only padding is
            pooled to zeros.

    Returns:
        A float tensor `[batch, features]`.
    """

    def __init__(self, method: Literal["mean", "max", "last"] = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {METHODS}. Received: method={method!r}")
        self.method = method
        self.supports_masking = True

    def call(self, inputs: Tensor, padding_mask: Tensor) -> Tensor:
        weights = ops.cast(padding_mask, inputs.dtype)[..., None]
        count = ops.sum(weights, axis=1)
        if self.method == "mean":
            return ops.sum(inputs * weights, axis=1) / ops.maximum(count, 1)
        if self.method == "max":
            lowest = ops.where(padding_mask[..., None], inputs, -1e4)
            return ops.max(lowest, axis=1) * ops.minimum(count, 1)
        positions = ops.arange(1, ops.shape(inputs)[1] + 1, dtype="int32")[None]
        last = ops.argmax(positions * ops.cast(padding_mask, "int32"), axis=1)
        picked = ops.take_along_axis(inputs, last[:, None, None], axis=1)[:, 0]
        return picked * ops.minimum(count, 1)

    def initial_state(self, batch_size: int, features: int) -> tuple[Tensor, Tensor]:
        """The state before the first piece of a sequence: `(pooled, count)`, see `continued`."""
        first = -1e4 if self.method == "max" else 0.0
        pooled = ops.full((batch_size, features), first, self.compute_dtype)
        return pooled, ops.zeros((batch_size, 1), self.compute_dtype)

    def continued(
        self, inputs: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Pools a piece of a sequence with the pieces before it.

        Args:
            inputs: float tensor `[batch, time, features]`, at least one step, without padding.
            state: tuple of the pooled steps before it, `[batch, features]`, and their number,
                `[batch, 1]`.

        Returns:
            `(pooled, state)`: all steps pooled, `[batch, features]`, and the state after the piece.
        """
        pooled, count = state
        count += ops.cast(ops.shape(inputs)[1], count.dtype)
        if self.method == "mean":  # a sum would lose precision as it grows
            pooled += ops.sum(inputs - pooled[:, None], axis=1) / count
        elif self.method == "max":
            pooled = ops.maximum(pooled, ops.max(inputs, axis=1))
        else:
            pooled = inputs[:, -1]
        return pooled, (pooled, count)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        return None

    def compute_output_shape(
        self, inputs_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> Shape:
        return (inputs_shape[0], inputs_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "method": self.method}
