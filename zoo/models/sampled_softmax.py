"""Sampled softmax: the loss of a large vocabulary from a few of its tokens, for training."""

from keras import ops


def sampled_softmax(outputs, targets, vectors, bias, candidates, log_expected):
    """Cross-entropy over the target and sampled candidates.

    Estimates that of the full softmax in expectation, so it isn't a perplexity (S. Jean et al., "On
    Using Very Large Target Vocabulary for Neural Machine Translation", 2015,
    https://arxiv.org/abs/1412.2007).

    Args:
        outputs: float tensor `[steps, dim]`.
        targets: int32 tensor `[steps]`.
        vectors: float tensor `[tokens, dim]`, the weights of the output layer.
        bias: float tensor `[tokens]`.
        candidates: int32 tensor `[candidates]`, tokens drawn with replacement. Those that are the
            target of a step don't count there.
        log_expected: float tensor `[tokens]`, the logarithm of how often each token is expected
            among the candidates.

    Returns:
        A float tensor `[steps]`.
    """
    bias = bias - log_expected
    right = ops.sum(outputs * ops.take(vectors, targets, axis=0), axis=-1)
    right = right + ops.take(bias, targets)
    others = ops.matmul(outputs, ops.transpose(ops.take(vectors, candidates, axis=0)))
    others = others + ops.take(bias, candidates)
    others = ops.where(targets[:, None] == candidates[None], -1e9, others)
    return ops.logaddexp(ops.logsumexp(others, axis=-1), right) - right
