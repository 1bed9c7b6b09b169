"""The optimizer that all steps train with."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="benchmarks")
class FusedAdam(keras.optimizers.Adam):
    """Adam that updates each variable with a single TensorFlow operation.

    It computes the same as `keras.optimizers.Adam`, which uses an operation for each term, so that
    a large variable passes through memory only once. Arguments are the same except `amsgrad`, which
    isn't supported.
    """

    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = ops.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=ops.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )


def adam(learning_rate, batches, warmup, clip_norm=1.0, averaging=None):
    """Adam with a warm-up from a tenth of the learning rate, then a cosine decay to zero.

    Args:
        learning_rate: float, the peak.
        batches: int, number of batches of the whole training.
        warmup: int, number of batches until the peak, capped at half of `batches`.
        clip_norm: float, maximum global norm of the gradients.
        averaging: float, the momentum of an exponential moving average of the weights, which the
            optimizer keeps in addition (B. Polyak and A. Juditsky 1992); None for no averaging.

    Returns:
        A `FusedAdam`.
    """
    warmup = min(warmup, batches // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 10 if warmup else learning_rate,
        decay_steps=batches - warmup,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    average = {} if averaging is None else {"use_ema": True, "ema_momentum": averaging}
    return FusedAdam(schedule, global_clipnorm=clip_norm, **average)
