"""Measures of replies: overlap with human replies, diversity and length."""

import collections
import csv
import io
import re

from sacrebleu.metrics import BLEU

DULL = 10  # the most frequent replies
GROUP = 50  # replies whose n-grams are compared


def words(text):
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"\w+(?:'\w+)*", text.lower())


def distinct(texts, order):
    """The fraction of distinct word n-grams (J. Li et al. 2016), a mean over groups of texts.

    The more texts, the more of their n-grams repeat. So texts are compared in groups of `GROUP`,
    and a smaller last group is left out unless it is the only one.

    Args:
        texts: list of str.
        order: int, the length of n-grams.

    Returns:
        A float; 0 without n-grams.
    """
    groups = [texts[i : i + GROUP] for i in range(0, len(texts) - GROUP + 1, GROUP)] or [texts]
    return sum(_distinct(group, order) for group in groups) / len(groups)


def dullness(texts):
    """The fraction of texts that are one of the ten most frequent; case doesn't matter."""
    frequent = collections.Counter(text.lower() for text in texts).most_common(DULL)
    return sum(count for _, count in frequent) / len(texts)


def measures(name, texts, references=None):
    """The measures of replies, a dict of float whose keys begin with a name.

    Args:
        name: str, such as `"greedy"`.
        texts: list of str.
        references: list of str, the replies that were given, for sacreBLEU; None without them.
    """
    found = {
        "distinct_1": distinct(texts, 1),
        "distinct_2": distinct(texts, 2),
        "dullness": dullness(texts),
        "words": sum(len(words(text)) for text in texts) / len(texts),
    }
    if references is not None:
        found["bleu"] = BLEU().corpus_score(texts, [references]).score
    return {f"{name}_{measure}": value for measure, value in found.items()}


def table(contexts, columns):
    """Contexts and replies to them as TSV text.

    Args:
        contexts: list of lists of str.
        columns: dict from a column's name to a list of str.
    """
    text = io.StringIO()
    rows = zip([" | ".join(turns) for turns in contexts], *columns.values(), strict=True)
    csv.writer(text, delimiter="\t").writerows([("context", *columns), *rows])
    return text.getvalue()


def _distinct(texts, order):
    ngrams = []
    for text in texts:
        said = words(text)
        ngrams += [tuple(said[i : i + order]) for i in range(len(said) - order + 1)]
    return len(set(ngrams)) / max(len(ngrams), 1)
