"""The base class of recurrent layers."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
from keras import ops, regularizers

# Casts the weights that are read inside it, as `keras.layers.Layer.__call__` does.
from keras.src.backend import AutocastScope

from zoo.layers import kernels
from zoo.layers.recurrence import backpropagation, inspection, time_loop
from zoo.layers.recurrence.cell import RecurrentCell
from zoo.typing import Regularizer, Tensor


def of_cell(name: str) -> property:
    """Returns a read-only property of a layer that reads the attribute of its cell."""

    def read(self: keras.layers.RNN) -> Any:
        return getattr(self.cell, name)

    return property(read, doc=f"`{name}` of the cell.")


class RecurrentLayer(keras.layers.RNN):
    """A recurrent layer: runs a cell over the time steps of a sequence.

    A subclass sets `cell_class` and `cell_name`. Arguments that `keras.layers.RNN` does not have
    are passed to the cell.

    Args:
        units: Positive integer, the size of the output.
        return_sequences: Whether to return the output of every step instead of the last one.
        return_state: Whether to return the last states after the output.
        go_backwards: Whether to process the sequence backwards, and return it reversed.
        stateful: Whether the last states are the initial states of the next batch.
        unroll: Whether to unroll the loop. The number of time steps must then be known.
        zero_output_for_mask: Whether a masked step outputs zeros instead of the previous output.
        activity_regularizer: Regularizer of the output.
        **kwargs: Arguments of the cell, and `name`, `dtype`, `trainable`.

    Call arguments:
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: List of tensors of shape `(batch, units)` or `(1, units)`, zeros if `None`.
        mask: Boolean tensor of shape `(batch, time)`, `(1, time)` or `(batch, time, 1)`. A step
            where it is `False` is skipped: it keeps the states and repeats the previous output, or
            outputs zeros if there is none.
        training: Whether dropout applies.

    Returns:
        The output, `(batch, time, units)` with `return_sequences`, otherwise `(batch, units)`;
        with `return_state` a tuple of the output and the states, each `(batch, units)`.
    """

    cell_class: type[RecurrentCell]
    cell_name: str

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        activity_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        of_layer = {
            key: kwargs.pop(key)
            for key in ("name", "autocast", "input_shape", "input_dim", "batch_shape")
            if key in kwargs
        }
        of_both = {key: kwargs.pop(key) for key in ("dtype", "trainable") if key in kwargs}
        cell = self.cell_class(units, name=self.cell_name, **of_both, **kwargs)
        if "dtype" in of_both:
            of_both["dtype"] = _unquantized(of_both["dtype"])
        # Not `super()`: a subclass may also derive from the Keras class that it replaces.
        keras.layers.RNN.__init__(
            self,
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **of_both,
            **of_layer,
        )
        # What ran the last call: `"native"`, `"cudnn"`, `"keras"`, or `None` before the first call.
        self.last_kernel: str | None = None
        # Why the last call ran with `"keras"`, otherwise `None`.
        self.last_kernel_reason: str | None = None
        self.input_spec = keras.layers.InputSpec(ndim=3)
        # Not every version of keras.layers.RNN sets it.
        self.supports_masking = True

    units = of_cell("units")
    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")
    recurrent_weight_dropout = of_cell("recurrent_weight_dropout")
    max_timescale = of_cell("max_timescale")

    def inner_loop(
        self,
        sequences: Tensor,
        initial_state: list[Tensor],
        mask: Tensor | None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Runs the recurrence.

        Args:
            sequences: Tensor of shape `(batch, time, features)`.
            initial_state: List of tensors of shape `(batch, units)`.
            mask: Boolean tensor of shape `(batch, time)` or `None`.
            training: Whether dropout applies.

        Returns:
            A tuple of the last output, `(batch, units)`; all outputs, `(batch, time, units)`, or
            the last output again without `return_sequences`; and the list of the last states.
        """
        sequences, initial_state, mask = self._prepare(sequences, initial_state, mask)
        with self.autocast_scope():
            try:
                kernel, reason, results = self.run_fused(sequences, initial_state, mask, training)
            except kernels.Declined as declined:
                kernel, reason = "keras", str(declined)
                results = self.run_loop(sequences, initial_state, mask, training)
        self.last_kernel, self.last_kernel_reason = kernel, reason
        return results

    def continued(
        self, sequences: Tensor, initial_state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Runs the recurrence over a piece of a longer sequence, outside training.

        Args:
            sequences: Tensor of shape `(batch, time, features)`, the piece, without padding.
            initial_state: List of tensors of shape `(batch, units)`, the states before it.

        Returns:
            A tuple of the outputs, `(batch, time, units)` with `return_sequences`, and the list of
            the states after the piece.
        """
        sequences = ops.cast(sequences, self.compute_dtype)
        _, outputs, states = self.inner_loop(sequences, initial_state, None)
        return outputs, states

    def run_fused(
        self, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None, training: bool
    ) -> tuple[str, str | None, tuple[Tensor, Tensor, list[Tensor]]]:
        """Runs the whole recurrence in one function, here the native kernels.

        Args:
            sequences: As in `inner_loop`.
            initial_state: As in `inner_loop`.
            mask: As in `inner_loop`.
            training: As in `inner_loop`.

        Returns:
            A tuple of `last_kernel`, `last_kernel_reason`, and what `inner_loop` returns.

        Raises:
            kernels.Declined: If there is no such function for this call; the message says why.
        """
        cell = self.cell
        native_cell = cell.native()
        if native_cell is None:
            raise kernels.Declined(f"there is no kernel for {type(cell).__name__}")
        if self.unroll:
            raise kernels.Declined("the loop is unrolled")
        # The native kernels apply no masks inside a step.
        if training and cell.recurrent_dropout:
            raise kernels.Declined("recurrent_dropout drops units inside of each step")
        if training and cell.dropout and cell.has_masks_per_block:
            raise kernels.Declined("implementation=1 drops different inputs for each gate")
        if training and cell.recurrent_weight_dropout and cell.quantization_mode:
            raise kernels.Declined("recurrent_weight_dropout drops quantized weights")
        # The kernels round weights themselves.
        with AutocastScope(None if self.compute_dtype == "bfloat16" else self._autocast_dtype):
            results = kernels.run(
                native_cell,
                self.drop_inputs(sequences, training),
                initial_state,
                mask,
                **cell.native_arguments(sequences, training),
                go_backwards=self.go_backwards,
                return_sequences=self.return_sequences,
                zero_output_for_mask=self.zero_output_for_mask,
            )
        return "native", None, results

    def run_loop(
        self, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None, training: bool
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Runs the recurrence step by step; arguments and result are those of `inner_loop`."""
        return time_loop.run(
            self.loop(training),
            ops.transpose(sequences, (1, 0, 2)),
            initial_state,
            mask,
            go_backwards=self.go_backwards,
            return_sequences=self.return_sequences,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    def drop_inputs(self, sequences: Tensor, training: bool) -> Tensor:
        """Returns the sequences, in training with dropout; all steps share one mask."""
        masks = self.cell.dropout_masks("dropout", training)
        return sequences * masks(sequences[:, 0])[0][:, None] if masks else sequences

    def autocast_scope(self) -> AutocastScope:
        """Returns a context in which weights are read in the data type of the computation."""
        return AutocastScope(self._autocast_dtype)

    @property
    def _autocast_dtype(self):
        return self.compute_dtype if self.autocast else None

    def _prepare(self, sequences, initial_state, mask):
        """Returns the arguments of `inner_loop` in the shapes that it documents."""
        batch, time = ops.shape(sequences)[:2]
        is_one = lambda tensor: tensor.shape[0] == 1 and sequences.shape[0] != 1
        if isinstance(mask, list | tuple):
            mask = mask[0]
        if mask is not None:
            mask = ops.cast(mask, "bool")
            mask = mask[..., 0] if len(mask.shape) == 3 else mask
            mask = ops.broadcast_to(mask, (batch, time)) if is_one(mask) else mask
        broadcast = lambda state: ops.broadcast_to(state, (batch, state.shape[-1]))
        states = [broadcast(s) if is_one(s) else s for s in keras.tree.flatten(initial_state)]
        if self.stateful and keras.backend.backend() == "torch":
            # The states are variables, which are assigned in place before the gradient is computed.
            states = [ops.copy(state) for state in states]
        return sequences, states, mask

    def gates(
        self,
        sequences: Tensor,
        initial_state: Sequence[Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Returns the gate activations and the states of every step.

        Args:
            sequences: Tensor of shape `(batch, time, features)`.
            initial_state: List of tensors, the states before the first step. Zeros if `None`.
            mask: Boolean tensor of shape `(batch, time)` or `None`. At a masked step the states
                stay as they are, and the gates are zeros.

        Returns:
            A dict of tensors `(batch, time, units)`. Its keys are the names in the cell's
            equations: first the gates and the candidate of each step, such as `"i"`, `"f"`,
            `"c_tilde"` and `"o"`, then the states after the step, such as `"h"` and `"c"`. Steps
            are in the order of `sequences`, even with `go_backwards`.
        """
        with self.autocast_scope():
            return inspection.gates(self, sequences, initial_state, mask)

    def loop(self, training: bool = False) -> Callable[..., tuple[Tensor | None, list[Tensor]]]:
        """Returns the loop for `time_loop.run`, which here steps the cell through time.

        In training, one product projects the inputs of all steps, so its gradient is one product
        too. At inference on a CPU, each step projects its own input, and uses the result while it
        is in the cache.
        """
        cell = self.cell
        project = cell.projection(training)
        if training and not self.unroll and backpropagation.applies(cell):
            walk = backpropagation.loop(cell, cell.recurrent_weights(training))
        else:
            recur = cell.recurrent_product(training)
            step = lambda projected, states: cell.step(projected, states, recur)[0]
            if not training and not time_loop.favours_large_ops():
                step_of_input = lambda inputs, states: step(project(inputs), states)
                return time_loop.step_by_step(step_of_input, unroll=self.unroll)
            walk = time_loop.step_by_step(step, unroll=self.unroll)
        return lambda inputs, *rest: walk(project(inputs), *rest)

    def quantize(
        self,
        mode: str | None = None,
        type_check: bool = True,
        config: keras.quantizers.QuantizationConfig | None = None,
    ) -> None:
        """Quantizes the kernels of the cell; see `RecurrentCell.quantize`."""
        self.cell.quantize(mode, type_check=type_check, config=config)

    def get_config(self) -> dict[str, Any]:
        config = keras.layers.RNN.get_config(self)
        del config["cell"]
        of_cell = self.cell.get_config()
        return {
            **of_cell,
            **config,
            "dtype": of_cell["dtype"],
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def _unquantized(dtype):
    """The data type policy of a layer whose cell has the policy `dtype`, which may be quantized."""
    policy = keras.dtype_policies.get(dtype)
    is_quantized = isinstance(policy, keras.dtype_policies.QuantizedDTypePolicy)
    return policy.name.partition("_from_")[2] if is_quantized else policy
