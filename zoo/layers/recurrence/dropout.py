"""Dropout masks of a cell, drawn once per call and shared by all time steps."""

from collections.abc import Callable
from typing import Literal

import keras
from keras import ops

# keras.layers.RNN draws and resets dropout masks only for cells of this class.
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

from zoo.layers.quantization import QuantizedMatrix
from zoo.typing import Tensor


class DropoutMasks(DropoutRNNCell):
    """Mixin for cells: masks of the input, of the state and of `recurrent_kernel`.

    The cell sets the rates `dropout`, `recurrent_dropout` and `recurrent_weight_dropout`, and
    `seed_generator`, and has `read_kernel`. If it sets `dropout_mask_count`, each block of the
    weights has its own masks.
    """

    _recurrent_weight_mask = None

    def dropout_masks(
        self, kind: Literal["dropout", "recurrent_dropout"], training: bool
    ) -> Callable[[Tensor], list[Tensor]] | None:
        """Returns a function from a tensor to the list of its masks, or `None` without dropout.

        Args:
            kind: `"dropout"` for masks of the input, `"recurrent_dropout"` for masks of the state.
            training: Whether dropout applies.
        """
        if not training or not 0.0 < getattr(self, kind) < 1.0:
            return None
        get = getattr(self, f"get_{kind}_mask")
        return lambda x: keras.tree.flatten(get(x if len(x.shape) == 2 else x[0]))

    def drop_recurrent_weights(self, kernel: Tensor) -> Tensor:
        """Returns `kernel` with the fraction `recurrent_weight_dropout` of its elements dropped."""
        if not self.recurrent_weight_dropout:
            return kernel
        if isinstance(kernel, QuantizedMatrix):
            kernel = ops.cast(kernel.dequantized(), self.compute_dtype)
        if self._recurrent_weight_mask is None:
            self._recurrent_weight_mask = keras.random.dropout(
                ops.ones_like(kernel), self.recurrent_weight_dropout, seed=self.seed_generator
            )
        return kernel * self._recurrent_weight_mask

    def get_recurrent_dropout_mask(self, step_input: Tensor) -> Tensor:
        # `keras.layers.RNN` calls this before its loop, inside which nothing may be drawn.
        if self.recurrent_weight_dropout:
            self.drop_recurrent_weights(self.read_kernel("recurrent_kernel"))
        return super().get_recurrent_dropout_mask(step_input)

    def reset_recurrent_dropout_mask(self) -> None:
        super().reset_recurrent_dropout_mask()
        self._recurrent_weight_mask = None
