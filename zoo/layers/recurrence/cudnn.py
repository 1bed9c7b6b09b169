"""Layers that Keras runs with one function of its backend, which calls cuDNN on a GPU."""

from typing import Any, Literal

import keras
from keras import ops

# This module has the functions `lstm` and `gru`, and `cudnn_ok`, which says when they call cuDNN.
from keras.src import backend

from zoo.layers import kernels
from zoo.layers.recurrence.layer import RecurrentLayer
from zoo.typing import Tensor

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class CuDNNLayer(RecurrentLayer):
    """A `RecurrentLayer` that uses cuDNN where Keras does.

    A subclass sets `backend_function`, the name of a function of `keras.src.backend`. It computes
    the cell whose native kernel has this name. With another cell, with quantized kernels, or with
    `recurrent_weight_dropout`, `use_cudnn` is `False`.

    Args:
        units: Positive integer, the size of the output and of each state.
        use_cudnn: `"auto"`, `True` or `False`: whether to use the function of Keras' backend. With
            `True`, a call that cuDNN does not support raises an error, as with Keras' layers. With
            `"auto"`, the call then runs without it.
        **kwargs: Arguments of `RecurrentLayer`.

    Raises:
        ValueError: If `use_cudnn` is invalid, or `True` and there is no such function; when
            the layer is called, if it is `True` and the function does not support the call.
    """

    backend_function: str

    def __init__(
        self, units: int, *, use_cudnn: bool | Literal["auto"] = "auto", **kwargs: Any
    ) -> None:
        super().__init__(units, **kwargs)
        self.use_cudnn = use_cudnn
        if keras.backend.backend() == "tensorflow" and self.use_cudnn and self._is_cudnn():
            self.supports_jit = False  # XLA can't compile cuDNN's operation.

    @property
    def use_cudnn(self) -> bool | Literal["auto"]:
        return False if self.cell.quantization_mode else self._use_cudnn

    # `keras.layers.Bidirectional` sets it, and may run both directions with one function if it is
    # not `False`.
    @use_cudnn.setter
    def use_cudnn(self, value: bool | Literal["auto"]) -> None:
        if value not in ("auto", True, False):
            raise ValueError(
                "Invalid value received for argument `use_cudnn`. "
                f"Expected one of 'auto', True, False. Received: use_cudnn={value}"
            )
        applies = self.cell.native() == self.backend_function and not self.recurrent_weight_dropout
        if value is True and not applies:
            raise ValueError(
                f"There is no cuDNN implementation of {type(self).__name__} with these arguments. "
                "Pass use_cudnn='auto'. Received: use_cudnn=True"
            )
        self._use_cudnn = value if applies else False

    def run_fused(
        self, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None, training: bool
    ) -> tuple[str, str | None, tuple[Tensor, Tensor, list[Tensor]]]:
        arguments = (sequences, initial_state, mask, training)
        is_cudnn = self.use_cudnn and self._is_cudnn()
        # On JAX and torch, the function of the backend may run without cuDNN too.
        runs_without = keras.backend.backend() != "tensorflow"
        if is_cudnn or (self.use_cudnn is True and runs_without):
            try:
                results = self._run_backend(*arguments)
                kernel, reason = ("cudnn", None) if is_cudnn else ("keras", "use_cudnn=True")
                return kernel, reason, results
            except NotImplementedError:
                pass
        if self.use_cudnn is True:
            raise ValueError(
                "use_cudnn=True was specified, but cuDNN does not support this call of this layer "
                f"with the {keras.backend.backend()} backend, or there is no GPU. "
                "Pass use_cudnn='auto'."
            )
        try:
            return super().run_fused(*arguments)
        except kernels.Declined as declined:
            if not (self.use_cudnn and runs_without):
                raise
            try:
                return "keras", str(declined), self._run_backend(*arguments)
            except NotImplementedError:
                raise declined from None

    def _is_cudnn(self):
        """Whether the function of Keras' backend calls cuDNN for this layer."""
        if (keras.backend.backend(), self.backend_function) == ("jax", "gru"):
            return False
        return backend.cudnn_ok(
            self.activation, self.recurrent_activation, self.unroll, self.use_bias
        )

    def _run_backend(self, sequences, initial_state, mask, training):
        """Returns what `inner_loop` returns, from the function of Keras' backend.

        Raises:
            NotImplementedError: If the function does not support this call.
            kernels.Declined: If the mask is not padded on the right, unless `use_cudnn` is `True`.
        """
        cell = self.cell
        drops_in_step = cell.recurrent_dropout or (cell.dropout and cell.has_masks_per_block)
        # What torch's function calls can be in any graph.
        if keras.backend.backend() != "torch" and kernels.graph_reason():
            raise NotImplementedError
        if training and drops_in_step:
            raise NotImplementedError
        run = lambda: self._call_backend(sequences, initial_state, mask, training)
        if mask is None or self.use_cudnn is True or keras.backend.backend() != "tensorflow":
            return run()
        if not tf.executing_eagerly():
            loop = lambda: self.run_loop(sequences, initial_state, mask, training)
            return tf.cond(_is_right_padded(mask), run, loop)
        if not _is_right_padded(mask):
            raise kernels.Declined("cuDNN needs a mask that is padded on the right")
        return run()

    def _call_backend(self, sequences, initial_state, mask, training):
        sequences = self.drop_inputs(sequences, training)
        # Backends disagree about the order of the outputs of `go_backwards`.
        go_backwards = self.go_backwards
        if go_backwards and mask is None:
            sequences, go_backwards = ops.flip(sequences, 1), False
        last, outputs, states = getattr(backend, self.backend_function)(
            sequences,
            *initial_state,
            mask,
            kernel=ops.convert_to_tensor(self.cell.kernel),
            recurrent_kernel=ops.convert_to_tensor(self.cell.recurrent_kernel),
            bias=ops.convert_to_tensor(self.cell.bias) if self.use_bias else None,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            return_sequences=self.return_sequences,
            go_backwards=go_backwards,
            unroll=self.unroll,
        )
        # The outputs of masked steps are zeros, and these steps come first if they are reversed.
        if mask is not None and not go_backwards:
            if self.zero_output_for_mask:
                last = ops.where(mask[:, -1:], last, ops.zeros_like(last))
            elif self.return_sequences:
                outputs = ops.where(mask[..., None], outputs, last[:, None])
        return last, outputs if self.return_sequences else last, states


def _is_right_padded(mask):
    """Returns whether each row of a mask is some steps, at least one, and then padding."""
    resumes = tf.reduce_any(mask[:, 1:] & ~mask[:, :-1])
    return tf.reduce_all(mask[:, 0]) & ~resumes
