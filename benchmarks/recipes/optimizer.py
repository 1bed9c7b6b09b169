"""The optimizer that all steps train with."""

import keras


def adam(learning_rate, batches, warmup, clip_norm=1.0, averaging=None):
    """Adam with a warm-up from a tenth of the learning rate, then a cosine decay to zero.

    Args:
        learning_rate: float, the peak.
        batches: int, number of batches of the whole training.
        warmup: int, number of batches until the peak, capped at half of `batches`.
        clip_norm: float, maximum global norm of the gradients.
        averaging: float, the momentum of an exponential moving average of the weights, which the
            optimizer keeps beside them (B. Polyak and A. Juditsky 1992); None for none.

    Returns:
        A `keras.optimizers.Adam`.
    """
    warmup = min(warmup, batches // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 10 if warmup else learning_rate,
        decay_steps=batches - warmup,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    average = {} if averaging is None else {"use_ema": True, "ema_momentum": averaging}
    return keras.optimizers.Adam(schedule, global_clipnorm=clip_norm, **average)
