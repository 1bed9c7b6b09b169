"""Backpropagation through time, by hand, for cells that know their derivatives."""

import os
import keras

from zoo.layers.time_loop import array, run_steps

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def differentiated(cell, kernel, bias):
    """Returns a `loop` for `time_loop.run` that differentiates itself.

    Forwards it takes one step after another. Backwards it computes for all steps at once what does
    not wait for the gradient of a state: the gates again, their derivatives and the gradients of
    the weights. The cell has two methods for it, on lists with an element for each state:

    - `linearize(projected, product, before, after)` takes the projected inputs, the recurrent
      products, and the states before and after every step, all of shape `(time, batch, ...)`. It
      returns a list of coefficients of such a shape.
    - `pull_back(d_after, coefficients)` takes the gradients of the states after a step, and the
      coefficients of that step. It returns the gradients of the projected input, of the recurrent
      product, and a list of those of the states before it on the paths beside the product.

    Args:
        cell: The cell.
        kernel: The tensor `R` of the recurrent product `h R + d`.
        bias: The tensor `d`, or `None`.
    """

    def loop(projected, mask, states, return_sequences):
        weights = [kernel] if bias is None else [kernel, bias]
        outputs, *last = _recurrence(cell, mask, len(weights))(projected, *weights, *states)
        return outputs, last

    return loop


def _recurrence(cell, mask, number_of_weights):
    def product(h, kernel, bias=None):
        multiply = tf.matmul(h, kernel) if len(h.shape) == 2 else tf.tensordot(h, kernel, 1)
        return multiply if bias is None else multiply + bias

    @tf.custom_gradient
    def forward(projected, *tensors):
        weights, states = tensors[:number_of_weights], list(tensors[number_of_weights:])
        step = lambda x, states: cell.step(x, states, lambda h: product(h, *weights))
        sequences, last = run_steps(step, projected, mask, states, every=len(states))

        def gradient(d_outputs, *d_last):
            return backward(projected, weights, states, sequences, d_outputs, list(d_last))

        return (sequences[0], *last), gradient

    def backward(projected, weights, initial, after, d_outputs, d_last):
        before = [tf.concat([i[None], a[:-1]], 0) for i, a in zip(initial, after, strict=True)]
        steps = tf.shape(projected)[0]
        in_time = lambda tensor: array(steps, tensor.shape[1:], tensor.dtype).unstack(tensor)
        MODE = os.environ.get("MODE", "A")
        if MODE == "A":
            arrays = [in_time(t) for t in (projected, product(before[0], *weights))]
        else:
            arrays = [in_time(t) for t in (projected,)]
        befores, afters = [in_time(b) for b in before], [in_time(a) for a in after]
        d_outputs = in_time(d_outputs)
        keeps = None if mask is None else in_time(mask)
        written = [array(steps, projected.shape[1:], projected.dtype) for _ in range(2)]
        transposed = tf.transpose(weights[0])

        def body(t, d_after, written):
            d_after = [d_after[0] + d_outputs.read(t), *d_after[1:]]
            b = [b.read(t) for b in befores]
            x_p = [a.read(t) for a in arrays]
            if MODE != "A":
                x_p.append(product(b[0], *weights))
            coefficients = cell.linearize(*x_p, b, [a.read(t) for a in afters])
            d_x, d_p, d_before = cell.pull_back(d_after, coefficients)
            d_h = tf.matmul(d_p, transposed)
            d_before = [d_h if d_before[0] is None else d_before[0] + d_h, *d_before[1:]]
            if keeps is not None:
                keep = keeps.read(t)
                d_before = [tf.where(keep, n, o) for n, o in zip(d_before, d_after, strict=True)]
                d_x, d_p = (tf.where(keep, d, tf.zeros_like(d)) for d in (d_x, d_p))
            for new, old in zip(d_before, d_after, strict=True):
                new.set_shape(old.shape)
            ds = (d_x,) if d_x is d_p else (d_x, d_p)
            return t - 1, d_before, [a.write(t, d) for a, d in zip(written, ds)]

        if cell.gates != 3: written = written[:1]
        _, d_initial, written = tf.while_loop(
            lambda t, *_: t >= 0, body, (steps - 1, d_last, written), parallel_iterations=32
        )
        written = [a.stack() for a in written]
        d_projected, d_product = written[0], written[-1]
        d_weights = [tf.tensordot(before[0], d_product, [[0, 1], [0, 1]])]
        if len(weights) > 1:
            d_weights.append(tf.reduce_sum(d_product, [0, 1]))
        return (d_projected, *d_weights, *d_initial)

    return forward
