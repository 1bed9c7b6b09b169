"""Gradients by lag of a memory model, trained or not."""

import keras

from zoo.layers import gradient_by_lag
from zoo.layers.recurrence import RecurrentLayer

GAP = 1000
LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)
SEQUENCES = 32


def by_lag(model, task):
    """The norm of the gradient of the loss with respect to the state k steps before the end, in the
    last recurrent layer.

    Args:
        model: a model of `task.problem`, trained at any gap.
        task: the `AtGap` whose test sequences are read.

    Returns:
        A dict from the lag k to the mean norm over `SEQUENCES` sequences.
    """
    problem, examples = task.problem, task.examples("test")
    inputs = model.preprocessor(examples.inputs[:SEQUENCES])["sequence"]
    targets = keras.ops.convert_to_tensor(examples.targets[:SEQUENCES])
    *lower, layer = (one for one in model.backbone.layers if isinstance(one, RecurrentLayer))
    for one in lower:
        inputs = one(inputs)
    head = next(one for one in model.layers if isinstance(one, keras.layers.Dense))
    loss = lambda outputs: problem.loss_of_steps(head, outputs, targets)
    lags = [lag for lag in LAGS if problem.answer_steps <= lag <= inputs.shape[1]]
    norms = gradient_by_lag(layer, inputs, loss, lags)
    return dict(zip(lags, map(float, norms), strict=True))
