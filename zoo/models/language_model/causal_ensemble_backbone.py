"""Backbone of an ensemble of models that continue token sequences."""

import collections
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from zoo.models.ensemble import EnsembleBackbone
from zoo.models.protocol import TaskModel
from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class CausalEnsembleBackbone(EnsembleBackbone):
    """The backbones of several models, side by side.

    Args:
        members: as for `EnsembleBackbone`, each with a `LanguageBackbone`.
        combination: `"mean"`, of the members' probabilities.

    Returns:
        The outputs of all backbones, a float tensor `[batch, time, output_dim]`, which `logits`
        maps to the logarithm of their mean probabilities.

    Attributes:
        output_dim, with_states, logits: see `LanguageBackbone`.
        vocabulary_size: int, number of tokens.
    """

    def __init__(
        self,
        members: Sequence[TaskModel],
        combination: Literal["mean", "median"] = "mean",
        **kwargs: Any,
    ) -> None:
        super().__init__(members, combination, **kwargs)
        states = [
            keras.tree.map_structure(
                lambda one, number=number: keras.Input(
                    one.shape[1:], dtype=one.dtype, name=f"member_{number}_{one.name}"
                ),
                member.backbone.with_states.input["states"],
            )
            for number, member in enumerate(members)
        ]
        outputs = [
            member.backbone.with_states({**self.input, "states": of_member})
            for member, of_member in zip(members, states, strict=True)
        ]
        sequence = ops.concatenate([one["sequence"] for one in outputs], axis=-1)
        self.with_states = keras.Model(
            {**self.input, "states": states},
            {"sequence": sequence, "states": [one["states"] for one in outputs]},
        )
        self.vocabulary_size = members[0].backbone.vocabulary_size
        self.output_dim = sequence.shape[-1]
        self.logits = _MeanLogits(self.members, name="logits")

    @staticmethod
    def combine(outputs: list[Tensor], combination: Literal["mean", "median"]) -> Tensor:
        return ops.concatenate(outputs, axis=-1)

    def initial_states(self, batch_size: int) -> list[Any]:
        """The states before the first token: a list of those of each member."""
        return [member.backbone.initial_states(batch_size) for member in self.members]

    def step(self, token_ids: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """Reads one token with all members; see `LanguageBackbone.step`."""
        steps = [
            member.backbone.step(token_ids, of_member)
            for member, of_member in zip(self.members, states, strict=True)
        ]
        outputs, states = zip(*steps, strict=True)
        return ops.concatenate(outputs, axis=-1), list(states)


class _MeanLogits(keras.layers.Layer):
    """The logarithm of the mean of the members' probabilities of the next token.

    It is one layer, since layers of several members share names.

    Args:
        members: list of task models, each with a `LanguageBackbone`.

    Call arguments:
        outputs: float tensor `[..., output_dim]`, those of a `CausalEnsembleBackbone`.

    Returns:
        A float32 tensor `[..., vocabulary_size]`.
    """

    def __init__(self, members, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.backbones = collections.UserList([member.backbone for member in members])
        self.built = True  # its weights are the members'

    def call(self, outputs):
        ends = list(itertools.accumulate(one.output_dim for one in self.backbones))
        parts = ops.split(outputs, ends[:-1], axis=-1)
        logarithms = [
            ops.log_softmax(backbone.logits(part))
            for backbone, part in zip(self.backbones, parts, strict=True)
        ]
        return ops.logsumexp(ops.stack(logarithms), axis=0) - math.log(len(logarithms))
