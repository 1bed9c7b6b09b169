"""The loop through time, as TensorFlow ops."""

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def run(
    step,
    projected,
    states,
    mask=None,
    *,
    go_backwards=False,
    unroll=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    """Runs `step` over time.

    Args:
        step: Function of the projected input of one step, `(batch, columns)`, and the list of
            states; it returns the list of new states. The first state is the output.
        projected: Tensor of shape `(time, batch, columns)`.
        states: List of initial states, each of shape `(batch, units)`.
        mask: Boolean tensor of shape `(batch, time)` or `None`.
        go_backwards: Whether to begin at the last step, and return outputs in that order.
        unroll: Whether to build the ops of every step, and not a loop.
        return_sequences: Whether outputs of every step are wanted.
        zero_output_for_mask: Whether the output of a masked step is zeros.

    Returns:
        A tuple of the last output, `(batch, units)`; all outputs, `(batch, time, units)`, or the
        last output again without `return_sequences`; and the list of the last states.
    """
    states = list(states)
    if mask is not None:
        mask = tf.transpose(tf.cast(mask, tf.bool))[..., None]
    if go_backwards:
        projected = tf.reverse(projected, [0])
        mask = None if mask is None else tf.reverse(mask, [0])

    def masked_step(x, keep, states):
        new_states = step(x, states)
        if keep is not None:
            new_states = [
                tf.where(keep, new, old) for new, old in zip(new_states, states, strict=True)
            ]
        for new, old in zip(new_states, states, strict=True):
            new.set_shape(old.shape)
        return new_states

    loop = _unrolled if unroll else _while
    outputs, states = loop(masked_step, projected, mask, states, return_sequences)
    last_output = states[0]
    if mask is not None:
        # A state that has seen no step yet is the initial one, which is no output.
        has_output = mask if zero_output_for_mask else tf.cumsum(tf.cast(mask, tf.int32)) > 0
        last_output = tf.where(has_output[-1], last_output, tf.zeros_like(last_output))
        if return_sequences:
            outputs = tf.where(has_output, outputs, tf.zeros_like(outputs))
    outputs = tf.transpose(outputs, (1, 0, 2)) if return_sequences else last_output
    return last_output, outputs, states


def _unrolled(masked_step, projected, mask, states, return_sequences):
    outputs = []
    keeps = [None] * projected.shape[0] if mask is None else tf.unstack(mask)
    for x, keep in zip(tf.unstack(projected), keeps, strict=True):
        states = masked_step(x, keep, states)
        outputs.append(states[0])
    return tf.stack(outputs) if return_sequences else None, states


def _while(masked_step, projected, mask, states, return_sequences):
    steps = tf.shape(projected)[0]

    def array(dtype, shape):
        return tf.TensorArray(dtype, steps, element_shape=shape)

    def in_time(tensor):
        return array(tensor.dtype, tensor.shape[1:]).unstack(tensor)

    xs = in_time(projected)
    keeps = None if mask is None else in_time(mask)
    outputs = [array(states[0].dtype, states[0].shape)] if return_sequences else []

    def body(t, states, outputs):
        states = masked_step(xs.read(t), keeps and keeps.read(t), states)
        return t + 1, states, [array.write(t, states[0]) for array in outputs]

    _, states, outputs = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), states, outputs),
        # Known ahead, as XLA demands for the gradient of a loop.
        maximum_iterations=steps,
    )
    return outputs[0].stack() if outputs else None, states
