"""The base class of recurrent layers."""

import keras
from keras import ops, regularizers

from zoo.layers import kernels
from zoo.layers.recurrence import backpropagation, inspection, time_loop


def of_cell(name):
    """Returns a read-only property of a layer that reads the attribute of its cell."""
    return property(lambda self: getattr(self.cell, name), doc=f"`{name}` of the cell.")


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
        use_cudnn: One of `"auto"`, `True`, `False`. There is no cuDNN implementation, so `True`
            raises a `ValueError` when the layer is called.
        **kwargs: Arguments of the cell, and `name`, `dtype`, `trainable`.

    Call arguments:
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: List of tensors of shape `(batch, units)`, zeros if `None`.
        mask: Boolean tensor of shape `(batch, time)`. A step where it is `False` is skipped: it
            keeps the states and repeats the previous output, or outputs zeros if there is none.
        training: Whether dropout applies.

    Returns:
        The output, `(batch, time, units)` with `return_sequences`, otherwise `(batch, units)`;
        with `return_state` a tuple of the output and the states, each `(batch, units)`.
    """

    cell_class = None
    cell_name = None

    def __init__(
        self,
        units,
        *,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        activity_regularizer=None,
        use_cudnn="auto",
        **kwargs,
    ):
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                "Invalid value received for argument `use_cudnn`. "
                f"Expected one of 'auto', True, False. Received: use_cudnn={use_cudnn}"
            )
        of_layer = {
            key: kwargs.pop(key)
            for key in ("name", "autocast", "input_shape", "input_dim", "batch_shape")
            if key in kwargs
        }
        of_both = {key: kwargs.pop(key) for key in ("dtype", "trainable") if key in kwargs}
        super().__init__(
            self.cell_class(units, name=self.cell_name, **of_both, **kwargs),
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
        self.use_cudnn = use_cudnn
        # The loop of the last call: `"native"`, `"keras"`, or `None` before the first call.
        self.last_kernel = None
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

    def inner_loop(self, sequences, initial_state, mask, training=False):
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
        if self.use_cudnn is True:
            raise ValueError(
                "use_cudnn=True was specified, but this layer has no cuDNN implementation. "
                "Pass use_cudnn='auto'."
            )
        if isinstance(mask, list | tuple):
            mask = mask[0]
        native = self._run_native(sequences, initial_state, mask, training)
        self.last_kernel = "native" if native else "keras"
        if native:
            return native
        if keras.backend.backend() != "tensorflow":
            return super().inner_loop(sequences, initial_state, mask, training)
        return time_loop.run(
            self.loop(training),
            ops.transpose(sequences, (1, 0, 2)),
            initial_state,
            mask,
            go_backwards=self.go_backwards,
            return_sequences=self.return_sequences,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    def _run_native(self, sequences, initial_state, mask, training):
        """Returns the result of `inner_loop` from the native kernels, or `None` if they decline."""
        cell = self.cell
        # The native kernels apply no masks inside a step.
        masks_in_step = training and (
            cell.recurrent_dropout or (cell.dropout and cell.has_masks_per_block)
        )
        native_cell = cell.native()
        if native_cell is None or self.unroll or masks_in_step:
            return None
        if masks := cell.dropout_masks("dropout", training):
            sequences = sequences * masks(sequences[:, 0])[0][:, None]
        return kernels.run(
            native_cell,
            sequences,
            initial_state,
            mask,
            **cell.native_arguments(sequences, training),
            go_backwards=self.go_backwards,
            return_sequences=self.return_sequences,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    def gates(self, sequences, initial_state=None, mask=None):
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
        return inspection.gates(self, sequences, initial_state, mask)

    def loop(self, training=False):
        """Returns the loop for `time_loop.run`, which here steps the cell through time.

        In training, one product projects the inputs of all steps, so its gradient is one product
        too. In inference on a CPU, each step projects its own input, and uses the result while it
        is in the cache.
        """
        cell = self.cell
        project = cell.projection(training)
        if training and not self.unroll and cell.has_vector_jacobian_product:
            walk = backpropagation.loop(cell, cell.recurrent_weights(training))
        else:
            recur = cell.recurrent_product(training)
            step = lambda projected, states: cell.step(projected, states, recur)[0]
            if not training and not time_loop.on_gpu():
                step_of_input = lambda inputs, states: step(project(inputs), states)
                return time_loop.step_by_step(step_of_input, unroll=self.unroll)
            walk = time_loop.step_by_step(step, unroll=self.unroll)
        return lambda inputs, *rest: walk(project(inputs), *rest)

    def get_config(self):
        config = super().get_config()
        del config["cell"]
        return {
            **self.cell.get_config(),
            **config,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
