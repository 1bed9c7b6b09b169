"""Sampled softmax: the loss over a large vocabulary from a few of its tokens, for training."""

from keras import ops

from zoo.typing import Tensor


def sampled_softmax(
    outputs: Tensor,
    targets: Tensor,
    vectors: Tensor,
    bias: Tensor,
    candidates: Tensor,
    log_expected: Tensor,
    correct_targets: bool = False,
) -> Tensor:
    """Cross-entropy over the target and sampled candidates.

    The sum over candidates, each divided by how often it is expected, estimates that of the full
    softmax over all tokens but the target (Y. Bengio and J.-S. Senécal, "Quick Training of
    Probabilistic Neural Nets by Importance Sampling", 2003). The logarithm of the estimate is
    biased slightly low, so the loss can't be converted to a perplexity.

    Args:
        outputs: float tensor `[steps, dim]`; the products with candidates have its dtype.
        targets: int32 tensor `[steps]`.
        vectors: float tensor `[tokens, dim]`, the weights of the output layer.
        bias: float tensor `[tokens]`.
        candidates: int32 tensor `[candidates]`, tokens drawn with replacement. Those that are the
            target of a step don't count there.
        log_expected: float tensor `[tokens]`, the logarithm of how often each token is expected
            among the candidates.
        correct_targets: bool, whether the target's term is divided too, so that the loss is that of
            distinguishing the target from the candidates (S. Jean et al., "On Using Very Large
            Target Vocabulary for Neural Machine Translation", 2015). This loss saturates for rare
            targets.

    Returns:
        A tensor `[steps]` of the dtype of `bias`.
    """
    corrected = bias - log_expected
    taken = ops.cast(ops.take(vectors, candidates, axis=0), outputs.dtype)
    others = ops.cast(ops.matmul(outputs, ops.transpose(taken)), bias.dtype)
    others = others + ops.take(corrected, candidates)
    outputs = ops.cast(outputs, bias.dtype)
    right = ops.sum(outputs * ops.take(vectors, targets, axis=0), axis=-1)
    right = right + ops.take(corrected if correct_targets else bias, targets)
    others = ops.where(targets[:, None] == candidates[None], -1e9, others)
    return ops.logaddexp(ops.logsumexp(others, axis=-1), right) - right
