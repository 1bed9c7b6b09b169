"""Word and character error rates of transcripts."""

import numpy as np

from benchmarks.metrics import CER, WER


def error_rate(metric, references, hypotheses):
    """An error rate over all utterances, in percent, with its 95 % interval.

    The interval is that of a bootstrap over utterances. The rate r is a ratio of two sums over
    utterances, of errors e and of lengths n; the bootstrap is that of the mean of
    r + (e - r n) / mean(n), which is r and varies as the ratio does to first order.

    Args:
        metric: `WER` or `CER`.
        references: list of str, none of them empty.
        hypotheses: list of str.

    Returns:
        `(value, (low, high))`, floats.
    """
    errors, lengths = counts(metric, references, hypotheses)
    rate = errors.sum() / lengths.sum()
    low, high = metric.interval(100 * (rate + (errors - rate * lengths) / lengths.mean()))
    return float(100 * rate), (max(0.0, low), high)


def counts(metric, references, hypotheses):
    """Errors, and words or characters, of each utterance: two float arrays `[utterances]`."""
    import jiwer

    process = {WER: jiwer.process_words, CER: jiwer.process_characters}[metric]
    output = process(list(references), list(hypotheses))
    errors = [
        sum(
            max(one.ref_end_idx - one.ref_start_idx, one.hyp_end_idx - one.hyp_start_idx)
            for one in alignment
            if one.type != "equal"
        )
        for alignment in output.alignments
    ]
    return np.array(errors, "float64"), np.array([len(one) for one in output.references], "float64")
