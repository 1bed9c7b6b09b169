"""Backpropagation through time for cells with a hand-written vector-Jacobian product."""

import keras

from zoo.layers.recurrence.time_loop import array, run_steps, step_by_step

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from zoo.layers.kernels.on_tensorflow import has_tangents


def applies(cell):
    """Returns whether `loop` can run a cell."""
    return keras.backend.backend() == "tensorflow" and cell.has_vector_jacobian_product


def loop(cell, weights):
    """Returns a `loop` for `time_loop.run` with a custom gradient.

    The backward pass keeps only the states of the forward pass, and computes the recurrent
    products and the gradients of the weights for all steps at once. The cell must have three
    members:

    - `linearize(projected, product, before, after)` takes the projected input, the recurrent
      product `h R + d`, and lists of the states before and after a step. It returns a list of
      coefficients.
    - `vector_jacobian_product(d_after, coefficients)` takes a list of the gradients of the states
      after a step. It returns the gradient of the projected input, the gradient of the recurrent
      product, and a list of the gradients of the states before the step. These leave out the path
      through the recurrent product; `None` means a state without another path.
    - `adds_product` says whether a step depends only on the sum of projected input and recurrent
      product, so that both have the same gradient.

    A second derivative raises `NotImplementedError`.

    Args:
        cell: The cell.
        weights: List of `R` and, if there is one, `d`.
    """
    # As tensors: `tf.custom_gradient` differentiates its arguments, not variables read inside.
    weights = [tf.convert_to_tensor(weight) for weight in weights]

    def run(projected, mask, initial, return_sequences):
        if has_tangents([projected, *weights, *initial]):
            # Forward-mode differentiation needs the gradient of a gradient.
            step = lambda x, states: cell.step(x, states, lambda h: _product(h, *weights))[0]
            return step_by_step(step)(projected, mask, initial, return_sequences)

        @tf.custom_gradient
        def forward(projected, *tensors):
            weights, states = tensors[: -len(initial)], list(tensors[-len(initial) :])
            recur = lambda h: _product(h, *weights)
            step = lambda x, states: cell.step(x, states, recur)[0]
            after, last = run_steps(step, projected, mask, states, recorded=len(states))
            outputs = after[:1] if return_sequences else []

            def gradient(*d_results):
                d_outputs, d_last = d_results[: -len(states)], d_results[-len(states) :]
                return _differentiable_once(
                    lambda *tensors: _gradients(cell, mask, *tensors),
                    (projected, weights, states, after, d_outputs, d_last),
                )

            return (*outputs, *last), gradient

        results = forward(projected, *weights, *initial)
        outputs = results[0] if return_sequences else None
        return outputs, list(results[-len(initial) :])

    return run


def _product(h, kernel, bias=None):
    product = tf.matmul(h, kernel) if len(h.shape) == 2 else tf.tensordot(h, kernel, 1)
    return product if bias is None else product + bias


def _gradients(cell, mask, projected, weights, initial, after, d_outputs, d_last):
    """Returns the gradients of `projected`, of the weights and of the initial states."""
    before = [tf.concat([i[None], a[:-1]], 0) for i, a in zip(initial, after, strict=True)]
    steps = tf.shape(projected)[0]

    def reader(*tensors):
        arrays = [array(steps, t.shape[1:], t.dtype).unstack(t) for t in tensors]
        return lambda t: [a.read(t) for a in arrays]

    read_sums = reader(projected, _product(before[0], *weights))
    read_before, read_after, read_d_outputs = (reader(*s) for s in (before, after, d_outputs))
    read_keep = reader(*([] if mask is None else [mask]))
    transposed = tf.transpose(weights[0])
    count = 1 if cell.adds_product else 2
    written = [array(steps, projected.shape[1:], projected.dtype) for _ in range(count)]

    def body(t, d_after, written):
        d_after = [sum(read_d_outputs(t), d_after[0]), *d_after[1:]]
        coefficients = cell.linearize(*read_sums(t), read_before(t), read_after(t))
        d_projected, d_product, d_before = cell.vector_jacobian_product(d_after, coefficients)
        d_h = tf.matmul(d_product, transposed)
        d_before = [d_h if d_before[0] is None else d_before[0] + d_h, *d_before[1:]]
        d_sums = [d_projected, d_product][:count]
        for keep in read_keep(t):
            d_before = [tf.where(keep, n, o) for n, o in zip(d_before, d_after, strict=True)]
            d_sums = [tf.where(keep, d, tf.zeros_like(d)) for d in d_sums]
        for new, old in zip(d_before, d_after, strict=True):
            new.set_shape(old.shape)
        return t - 1, d_before, [a.write(t, d) for a, d in zip(written, d_sums, strict=True)]

    _, d_initial, written = tf.while_loop(
        lambda t, *_: t >= 0, body, (steps - 1, list(d_last), written)
    )
    d_sums = [a.stack() for a in written]
    d_weights = [tf.tensordot(before[0], d_sums[-1], [[0, 1], [0, 1]])]
    if len(weights) > 1:
        d_weights.append(tf.reduce_sum(d_sums[-1], [0, 1]))
    return d_sums[0], *d_weights, *d_initial


def _differentiable_once(function, arguments):
    """Calls the function so that differentiating its result raises an error.

    Without this, a second derivative would silently leave out every path through the states.
    """

    @tf.custom_gradient
    def call(*tensors):
        def gradient(*_):
            raise NotImplementedError(
                "This recurrent layer has no second derivative in training. "
                "Build it with `unroll=True`, or call it with `training=False`."
            )

        return function(*keras.tree.pack_sequence_as(arguments, tensors)), gradient

    return call(*keras.tree.flatten(arguments))
