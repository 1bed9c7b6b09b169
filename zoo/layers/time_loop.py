"""The loop through time, as TensorFlow ops."""

import keras

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
        loop: Function of `inputs` in the order of the loop; of the mask in that order, a boolean
            tensor of shape `(time, batch, 1)`, or `None`; of the initial states; and of
            `return_sequences`. It returns a tuple of the first state after every step,
            `(time, batch, units)`, or `None` without `return_sequences`, and the list of the last
            states. A masked step leaves the states as they are.
        inputs: Tensor of shape `(time, batch, features)`.
        states: List of initial states, each of shape `(batch, units)`.
        mask: Boolean tensor of shape `(batch, time)` or `None`.
        go_backwards: Whether to begin at the last step, and return outputs in that order.
        return_sequences: Whether outputs of every step are wanted.
        zero_output_for_mask: Whether the output of a masked step is zeros.

    Returns:
        A tuple of the last output, `(batch, units)`; all outputs, `(batch, time, units)`, or the
        last output again without `return_sequences`; and the list of the last states.
    """
    if mask is not None:
        mask = tf.transpose(tf.cast(mask, tf.bool))[..., None]
    if go_backwards:
        inputs = tf.reverse(inputs, [0])
        mask = None if mask is None else tf.reverse(mask, [0])
    outputs, states = loop(inputs, mask, list(states), return_sequences)
    last_output = states[0]
    if mask is not None:
        # A state that has seen no step yet is the initial one, which is no output.
        has_output = mask if zero_output_for_mask else tf.cumsum(tf.cast(mask, tf.int32)) > 0
        last_output = tf.where(has_output[-1], last_output, tf.zeros_like(last_output))
        if return_sequences:
            outputs = tf.where(has_output, outputs, tf.zeros_like(outputs))
    outputs = tf.transpose(outputs, (1, 0, 2)) if return_sequences else last_output
    return last_output, outputs, states


def step_by_step(step, *, unroll=False):
    """Returns a `loop` for `run` that takes one step after another.

    Args:
        step: Function of the input of one step, `(batch, features)`, and the list of states; it
            returns the list of new states.
        unroll: Whether to build the ops of every step, and not a loop.
    """
    walk = _unrolled if unroll else run_steps

    def loop(inputs, mask, states, return_sequences):
        outputs, states = walk(step, inputs, mask, states, every=int(return_sequences))
        return outputs[0] if outputs else None, states

    return loop


def run_steps(step, inputs, mask, states, *, every):
    """Returns the first `every` states after all steps, `(time, batch, units)`, and the last ones.

    The other arguments are those of `step_by_step` and of its loop.
    """
    steps = tf.shape(inputs)[0]
    xs = array(steps, inputs.shape[1:], inputs.dtype).unstack(inputs)
    keeps = None if mask is None else array(steps, mask.shape[1:], mask.dtype).unstack(mask)
    written = [array(steps, state.shape, state.dtype) for state in states[:every]]

    def body(t, states, written):
        states = _masked(step, xs.read(t), keeps and keeps.read(t), states)
        return t + 1, states, [a.write(t, s) for a, s in zip(written, states, strict=False)]

    _, states, written = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), states, written),
        # Known ahead, as XLA demands for the gradient of a loop.
        maximum_iterations=steps,
    )
    return [a.stack() for a in written], states


def _unrolled(step, inputs, mask, states, *, every):
    written = [[] for _ in range(every)]
    keeps = [None] * inputs.shape[0] if mask is None else tf.unstack(mask)
    for x, keep in zip(tf.unstack(inputs), keeps, strict=True):
        states = _masked(step, x, keep, states)
        for series, state in zip(written, states, strict=False):
            series.append(state)
    return [tf.stack(series) for series in written], states


def _masked(step, x, keep, states):
    new_states = step(x, states)
    if keep is not None:
        new_states = [tf.where(keep, n, o) for n, o in zip(new_states, states, strict=True)]
    for new, old in zip(new_states, states, strict=True):
        new.set_shape(old.shape)
    return new_states


def on_gpu():
    """Whether layers are run on a GPU, which would rather do much at once than little often."""
    return bool(tf.config.list_logical_devices("GPU"))


def array(steps, shape, dtype):
    """An array of a tensor of that shape for each step."""
    return tf.TensorArray(dtype, steps, element_shape=shape)
