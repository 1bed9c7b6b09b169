"""Base classes of cells that are linear in their state, and the solvers of their recurrence."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.layers.recurrence import RecurrentCell, RecurrentLayer, time_loop
from zoo.typing import Shape, Tensor

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class LinearCell(RecurrentCell):
    """One step `h_t = a_t h_{t-1} + b_t`, whose coefficients depend on the input alone.

    A subclass sets `num_blocks` and implements `coefficients`.

    Raises:
        ValueError: If `recurrent_dropout` or `recurrent_weight_dropout` is not 0.
    """

    kernel_names = ("kernel",)

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        for name in ("recurrent_dropout", "recurrent_weight_dropout"):
            if getattr(self, name):
                raise ValueError(
                    f"{type(self).__name__} has no recurrent kernel, so `{name}` must be 0. "
                    f"Received: {name}={getattr(self, name)}"
                )

    def build(self, input_shape: Shape) -> None:
        columns = self.num_blocks * self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], columns))
        self.bias = self.add_bias((columns,)) if self.use_bias else None

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Returns `a` and `b`, whose last axis has `units` elements, and a dict of the gates."""
        raise NotImplementedError

    def recurrent_product(
        self, training: bool = False, first: int = 0, last: int | None = None
    ) -> None:
        return None

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        return {"weights": [self.read_kernel("kernel"), self.bias]}

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Any
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        (h,) = states
        a, b, gates = self.coefficients(projected)
        return [a * h + b], gates


class LinearLayer(RecurrentLayer):
    """A layer that solves the recurrence of a `LinearCell` for all steps at once."""

    def loop(self, training: bool = False) -> Callable[..., tuple[Tensor | None, list[Tensor]]]:
        if self.unroll or keras.backend.backend() != "tensorflow":
            return super().loop(training)

        def loop(inputs, mask, states, return_sequences):
            a, b, _ = self.cell.coefficients(self.cell.projection(training)(inputs))
            if mask is not None:
                a, b = tf.where(mask, a, tf.ones_like(a)), tf.where(mask, b, tf.zeros_like(b))
            h = solve(a, b, states[0])
            return h, [h[-1]]

        return loop


def positive(v):
    """The paper's `g`, positive and increasing: `v + 1/2` where `v >= 0`, else `σ(v)`."""
    return ops.where(v >= 0, v + 0.5, ops.sigmoid(v))


def solve(a, b, initial):
    """Returns all `h_t = a_t h_{t-1} + b_t`.

    On a GPU this is a parallel scan, with a number of rounds logarithmic in the number of steps.
    On a CPU it is a loop, because a scan does many more operations in total.

    Args:
        a: Tensor of shape `(time, batch, units)`.
        b: Tensor of the same shape.
        initial: `h` before the first step, `(batch, units)`.

    Returns:
        A tensor of shape `(time, batch, units)`.
    """
    method = scan if time_loop.favours_large_ops() else step_by_step
    return differentiable(method)(a, b, initial)


def differentiable(method):
    """Gives `method` its gradient: a recurrence of the same form, backwards in time."""

    @tf.custom_gradient
    def solution(a, b, initial):
        h = method(a, b, initial)

        def gradient(dh):
            # db_t = dh_t + a_{t+1} db_{t+1}, solved from the last step to the first.
            later_a = tf.concat([tf.zeros_like(a[:1]), tf.reverse(a[1:], [0])], 0)
            db = method(later_a, tf.reverse(dh, [0]), tf.zeros_like(initial))
            db = tf.reverse(db, [0])
            return db * tf.concat([initial[None], h[:-1]], 0), db, db[0] * a[0]

        return h, gradient

    return solution


def step_by_step(a, b, initial):
    """Solves the recurrence in a loop."""
    step = lambda ab, states: [ab[0] * states[0] + ab[1]]
    return time_loop.step_by_step(step)(tf.stack([a, b], 1), None, [initial], True)[0]


def scan(a, b, initial):
    """Solves the recurrence in parallel.

    Two successive steps `(a, b)` and `(a', b')` compose to the step `(a a', a' b + b')`. Each round
    composes every step with the one `k` steps earlier, then doubles `k`.

    Reference: W. D. Hillis and G. L. Steele, "Data Parallel Algorithms", CACM 29(12), 1986.
    """
    b = tf.concat([b[:1] + a[:1] * initial, b[1:]], 0)
    time = tf.range(tf.shape(a)[0])

    def body(k, a, b):
        earlier = lambda x: tf.gather(x, tf.maximum(time - k, 0))
        has_earlier = (time >= k)[:, None, None]
        new_b = tf.where(has_earlier, a * earlier(b) + b, b)
        return 2 * k, tf.where(has_earlier, a * earlier(a), a), new_b

    return tf.while_loop(lambda k, *_: k < tf.shape(time)[0], body, (tf.constant(1), a, b))[2]
