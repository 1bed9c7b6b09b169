"""N-gram backbone: a linear model of the n-grams that a text contains."""

from typing import Any

import keras
from keras import ops

from zoo.models.backbone import Backbone
from zoo.typing import DType, Shape, Tensor

BASE = -1640531535  # 2**32 divided by the golden ratio, as int32


@keras.saving.register_keras_serializable(package="zoo")
class NgramBackbone(Backbone):
    """Sums the scores of a text's distinct n-grams of subwords for each class.

    Args:
        count: int, number of known n-grams; others score zero.
        classes: int.
        order: int, maximum length of an n-gram.
        dtype: dtype or dtype policy of the layers.

    Call arguments:
        inputs: dict with `"token_ids"`, int32 `[batch, time]`, and `"padding_mask"`, bool
            `[batch, time]`, False at padding.

    Returns:
        A float tensor `[batch, classes]`, the logits.
    """

    def __init__(
        self, count: int, classes: int, order: int = 3, dtype: DType = None, **kwargs: Any
    ) -> None:
        if min(count, classes, order) < 1:
            raise ValueError(
                "`count`, `classes` and `order` must be at least 1. Received: "
                f"count={count}, classes={classes}, order={order}"
            )
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        scores = NgramScores(count, classes, order, dtype=dtype, name="scores")
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": padding_mask},
            outputs=scores(token_ids, padding_mask),
            dtype=dtype,
            **kwargs,
        )
        self.scores = scores
        self.count = count
        self.classes = classes
        self.order = order

    def get_config(self) -> dict[str, Any]:
        sizes = {"count": self.count, "classes": self.classes, "order": self.order}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable(package="zoo")
class NgramScores(keras.layers.Layer):
    """The sum of the scores of a text's distinct n-grams, plus a bias.

    An n-gram counts once, however often it occurs, as in S. Wang and C. D. Manning, "Baselines and
    Bigrams", 2012. `keys` holds the hashes of the known n-grams in ascending order, `scores` their
    scores. The weights are fitted elsewhere and aren't trainable.

    Args:
        count: int, number of known n-grams.
        classes: int.
        order: int, maximum length of an n-gram.

    Call arguments:
        token_ids: int32 `[batch, time]`.
        padding_mask: bool `[batch, time]`, False at padding, which is at the end.

    Returns:
        A float tensor `[batch, classes]`.
    """

    def __init__(self, count: int, classes: int, order: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.count = count
        self.classes = classes
        self.order = order

    def build(self, *_: Any) -> None:
        self.keys = self.add_weight((self.count,), "zeros", dtype="int32", name="keys")
        self.scores = self.add_weight((self.count, self.classes), "zeros", name="scores")
        self.bias = self.add_weight((self.classes,), "zeros", name="bias")

    def call(self, token_ids: Tensor, padding_mask: Tensor) -> Tensor:
        found = ops.sort(hashes(token_ids, padding_mask, self.order), axis=-1)
        before = ops.pad(found, [[0, 0], [1, 0]])[:, :-1]
        places = self._last_not_above(found)
        counts = ops.logical_and(found != before, ops.take(self.keys, places) == found)
        scores = ops.take(self.scores, places, axis=0)
        return ops.sum(scores * ops.cast(counts, scores.dtype)[..., None], axis=1) + self.bias

    def _last_not_above(self, found):
        """Index of the last key that isn't greater than each hash; 0 if all are greater.

        A binary search written out, since no export format supports `ops.searchsorted`.
        """
        places = ops.zeros_like(found)
        for bit in reversed(range((self.count - 1).bit_length())):
            ahead = ops.minimum(places + 2**bit, self.count - 1)
            places = ops.where(ops.take(self.keys, ahead) <= found, ahead, places)
        return places

    def compute_output_shape(
        self, token_ids_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> Shape:
        return (token_ids_shape[0], self.classes)

    def get_config(self) -> dict[str, Any]:
        sizes = {"count": self.count, "classes": self.classes, "order": self.order}
        return {**super().get_config(), **sizes}


def hashes(token_ids: Tensor, padding_mask: Tensor, order: int) -> Tensor:
    """Hashes of all n-grams up to a length.

    Args:
        token_ids: int32 tensor `[batch, time]`; ids are above 0.
        padding_mask: bool tensor `[batch, time]`.
        order: int, maximum length of an n-gram.

    Returns:
        An int32 tensor `[batch, order * time]`: polynomials of the ids, modulo 2**32; 0 at
        padding.
    """
    of_order = [token_ids]
    for _ in range(order - 1):
        before = ops.pad(of_order[-1], [[0, 0], [1, 0]])[:, :-1]
        of_order.append(before * BASE + token_ids)
    return ops.concatenate([ops.where(padding_mask, hash, 0) for hash in of_order], axis=1)
