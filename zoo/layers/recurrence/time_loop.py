"""The loop over time."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def run(
    loop,
    inputs,
    states,
    mask=None,
    *,
    go_backwards=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    """Runs a recurrence over time.

    Args:
        loop: Function `(inputs, mask, states, return_sequences)`. `inputs` and `mask`, a boolean
            tensor of shape `(time, batch, 1)` or `None`, are in loop order. It returns a tuple of
            the first state after every step, `(time, batch, units)`, or `None` without
            `return_sequences`, and the list of the last states. A masked step leaves the states
            unchanged.
        inputs: Tensor of shape `(time, batch, features)`.
        states: List of initial states, each of shape `(batch, units)`.
        mask: Boolean tensor of shape `(batch, time)` or `None`.
        go_backwards: Whether to start at the last step, and return outputs in that order.
        return_sequences: Whether to return the outputs of all steps.
        zero_output_for_mask: Whether a masked step outputs zeros instead of the previous output.

    Returns:
        A tuple of the last output, `(batch, units)`; all outputs, `(batch, time, units)`, or the
        last output again without `return_sequences`; and the list of the last states.
    """
    if mask is not None:
        mask = ops.transpose(ops.cast(mask, "bool"))[..., None]
    if go_backwards:
        inputs = ops.flip(inputs, 0)
        mask = None if mask is None else ops.flip(mask, 0)
    outputs, states = loop(inputs, mask, list(states), return_sequences)
    last_output = states[0]
    if mask is not None:
        # Before the first unmasked step, the state is the initial one, which is not an output.
        has_output = mask if zero_output_for_mask else ops.cumsum(ops.cast(mask, "int32"), 0) > 0
        last_output = ops.where(has_output[-1], last_output, ops.zeros_like(last_output))
        if return_sequences:
            outputs = ops.where(has_output, outputs, ops.zeros_like(outputs))
    outputs = ops.transpose(outputs, (1, 0, 2)) if return_sequences else last_output
    return last_output, outputs, states


def step_by_step(step, *, unroll=False):
    """Returns a `loop` for `run` that calls `step` once per time step.

    Args:
        step: Function of the input of one step, `(batch, features)`, and the list of states. It
            returns the list of new states.
        unroll: Whether to build the ops of every step instead of a loop.
    """
    walk = _unrolled if unroll else run_steps if _is_tensorflow() else _scan

    def loop(inputs, mask, states, return_sequences):
        outputs, states = walk(step, inputs, mask, states, recorded=int(return_sequences))
        return outputs[0] if outputs else None, states

    return loop


def run_steps(step, inputs, mask, states, *, recorded):
    """Calls `step` in a loop over time of TensorFlow.

    Args:
        step: As in `step_by_step`.
        inputs: Tensor of shape `(time, batch, features)`.
        mask: Boolean tensor of shape `(time, batch, 1)` or `None`.
        states: List of initial states.
        recorded: The number of states to record, counted from the first.

    Returns:
        A tuple of the list of recorded states after every step, each `(time, batch, units)`, and
        the list of the last states.
    """
    # An int where it is known: tf2onnx gives the tensor of `maximum_iterations` another type, so no
    # other use may share it.
    steps = inputs.shape[0] or tf.shape(inputs)[0]
    xs = array(steps, inputs.shape[1:], inputs.dtype).unstack(inputs)
    keeps = None if mask is None else array(steps, mask.shape[1:], mask.dtype).unstack(mask)
    written = [array(steps, state.shape, state.dtype) for state in states[:recorded]]

    def body(t, states, written):
        before = states
        states = _masked(step, xs.read(t), keeps and keeps.read(t), states)
        for new, old in zip(states, before, strict=True):
            new.set_shape(old.shape)
        return t + 1, states, [a.write(t, s) for a, s in zip(written, states, strict=False)]

    _, states, written = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), states, written),
        # XLA needs a bound to differentiate the loop.
        maximum_iterations=steps,
    )
    return [a.stack() for a in written], states


def _scan(step, inputs, mask, states, *, recorded):
    """As `run_steps`, with any backend of Keras."""

    def body(states, xs):
        states = _masked(step, xs[0], xs[1] if len(xs) > 1 else None, states)
        return states, states[:recorded]

    xs = (inputs,) if mask is None else (inputs, mask)
    states, written = ops.scan(body, states, xs)
    return written, states


def _unrolled(step, inputs, mask, states, *, recorded):
    written = [[] for _ in range(recorded)]
    keeps = [None] * inputs.shape[0] if mask is None else ops.unstack(mask)
    for x, keep in zip(ops.unstack(inputs), keeps, strict=True):
        states = _masked(step, x, keep, states)
        for series, state in zip(written, states, strict=False):
            series.append(state)
    return [ops.stack(series) for series in written], states


def _masked(step, x, keep, states):
    new_states = step(x, states)
    if keep is not None:
        new_states = [ops.where(keep, n, o) for n, o in zip(new_states, states, strict=True)]
    return new_states


def favours_large_ops():
    """Returns whether few large ops beat many small ones: not in TensorFlow on a CPU."""
    return not _is_tensorflow() or bool(tf.config.list_logical_devices("GPU"))


def _is_tensorflow():
    return keras.backend.backend() == "tensorflow"


def array(steps, shape, dtype):
    """Returns an empty `TensorArray` with one tensor of this shape per step."""
    return tf.TensorArray(dtype, steps, element_shape=shape)
