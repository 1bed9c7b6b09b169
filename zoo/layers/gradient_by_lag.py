"""The gradient of a loss with respect to earlier states, by their distance from the end."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import keras
import numpy as np
from keras import ops

from zoo.layers.recurrence import RecurrentLayer
from zoo.typing import Tensor

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def gradient_by_lag(
    layer: RecurrentLayer, sequences: Tensor, loss: Callable[[Tensor], Tensor], lags: Iterable[int]
) -> np.ndarray:
    """Returns how much of the gradient of a loss reaches the state `k` steps before the end.

    With `T` time steps and `L_b` the loss of example `b`, this is for every lag `k` the mean over
    the batch of

        ‖dL_b / ds_{T-k}‖

    where `s_t` is the state after step `t`. It is a total derivative: a product of Jacobians, one
    per step. The gradient vanishes if it falls exponentially with `k`, and explodes if it grows
    exponentially. The state is every tensor that the cell carries from step to step, concatenated:
    for an LSTM both `h` and `C`. The derivative with respect to `h` alone would miss the path
    through `C`.

    References: S. Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen", 1991; Y. Bengio,
    P. Simard and P. Frasconi, "Learning Long-Term Dependencies with Gradient Descent is
    Difficult", 1994; R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training
    recurrent neural networks", ICML 2013.

    Args:
        layer: A layer of one direction, such as `zoo.layers.LSTM`, that reads forwards. It is built
            if necessary. Its settings `return_sequences` and `return_state` don't matter. Dropout
            doesn't apply.
        sequences: Float array or tensor of shape `(batch, time, features)`. The state before the
            first step is zeros.
        loss: Function of the outputs of the last `min(lags)` steps, a tensor of shape
            `(batch, min(lags), units)`. It returns the loss of each example, a float tensor of
            shape `(batch,)`, computed with differentiable operations.
        lags: Increasing list of integers from 1 to `time`.

    Returns:
        A float32 NumPy array of shape `(len(lags),)`. A norm below the range of the layer's data
        type, about 1e-38 in float32, is 0.

    Raises:
        NotImplementedError: If the backend of Keras is not TensorFlow.
        ValueError: If `layer` is not a recurrent layer of one direction or reads backwards; if
            `sequences` doesn't have three axes; if `lags` are not as described; or if the loss has
            another shape or no gradient.

    Examples:
        >>> layer = zoo.layers.LSTM(8)
        >>> x = np.random.default_rng(0).normal(size=(4, 50, 3))
        >>> norms = zoo.layers.gradient_by_lag(layer, x, lambda h: h[:, -1, 0], lags=[1, 10, 50])
        >>> norms.shape
        (3,)
    """
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "gradient_by_lag needs the TensorFlow backend of Keras. "
            f"Received: backend={keras.backend.backend()}"
        )
    if not isinstance(layer, RecurrentLayer):
        raise ValueError(
            "`layer` must be a recurrent layer of the zoo that reads one direction. "
            f"Received: {layer}"
        )
    if layer.go_backwards:
        raise ValueError("`layer` must read forwards. Received a layer with go_backwards=True.")
    sequences = ops.convert_to_tensor(sequences, dtype=layer.compute_dtype)
    if len(sequences.shape) != 3:
        raise ValueError(
            "`sequences` must have the shape (batch, time, features). "
            f"Received: shape={tuple(sequences.shape)}"
        )
    batch, time, features = sequences.shape
    lags = list(lags)
    if not lags or lags[0] < 1 or lags[-1] > time or any(a >= b for a, b in pairwise(lags)):
        raise ValueError(
            "`lags` must be increasing integers from 1 to the number of time steps, "
            f"{time}. Received: lags={lags}"
        )
    if not layer.built:
        layer.build(sequences.shape)

    def run(segment, states):
        """Returns the output of the last step, and the states after it."""
        output, _, states = layer.inner_loop(segment, states, None, training=False)
        # As separate tensors: in an LSTM, h is computed from the C returned with it, and the
        # derivative with respect to that C would count the path through h twice.
        return output, [tf.identity(state) for state in states]

    states = layer.cell.get_initial_state(batch_size=batch)
    if not layer.unroll:
        # One graph for segments of any length; an unrolled loop has to know the length.
        segment = tf.TensorSpec((batch, None, features), sequences.dtype)
        spec = [tf.TensorSpec(state.shape, state.dtype) for state in states]
        run = tf.function(run, autograph=False).get_concrete_function(segment, spec)
    cuts = [time - lag for lag in reversed(lags)]
    if cuts[0]:
        _, states = run(sequences[:, : cuts[0]], states)
    states_at_cuts, outputs = [states], []
    with tf.GradientTape() as tape:
        tape.watch(states)
        for start, end in pairwise(cuts):
            _, states = run(sequences[:, start:end], states)
            states_at_cuts.append(states)
        # The outputs of single steps do not depend on `return_sequences`.
        for step in range(cuts[-1], time):
            output, states = run(sequences[:, step : step + 1], states)
            outputs.append(output)
        losses = tf.convert_to_tensor(loss(tf.stack(outputs, axis=1)))
        # Examples are independent, so the gradient of the sum is the gradient of each.
        total = tf.reduce_sum(losses)
    if losses.shape != (batch,):
        raise ValueError(
            f"`loss` must return one value per example, a tensor of shape ({batch},). "
            f"Received: shape={tuple(losses.shape)}"
        )
    gradients = tape.gradient(total, states_at_cuts)
    if gradients[0][0] is None:
        raise ValueError(
            "`loss` must be computed from its argument with differentiable operations."
        )
    # In float32, the squares of gradients below 1e-19 would already underflow.
    by_lag = [np.concatenate(by_state, axis=-1, dtype="float64") for by_state in gradients[::-1]]
    return np.array([np.linalg.norm(by_state, axis=-1).mean() for by_state in by_lag], "float32")
