"""Ensembles: models of one task kind that answer with the mean or median of their outputs."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import keras

from zoo.models.backbone import Backbone
from zoo.models.member_median import MemberMedian
from zoo.models.protocol import TaskModel
from zoo.typing import DType, Tensor

# How the outputs of members are combined.
COMBINATIONS = {"mean": keras.layers.Average, "median": MemberMedian}


@keras.saving.register_keras_serializable(package="zoo")
class EnsembleBackbone(Backbone):
    """The mean, or the median, of the outputs of several models of one input (L. K. Hansen and
    P. Salamon, "Neural Network Ensembles", 1990).

    Args:
        members: list of two or more task models with the same input and output, without
            preprocessors.
        combination: `"mean"` or `"median"`.

    Returns:
        A float32 tensor, the mean or median of the `member_output` of all members.
    """

    def __init__(
        self,
        members: Sequence[TaskModel],
        combination: Literal["mean", "median"] = "mean",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if len(members) < 2:
            raise ValueError(f"An ensemble needs two or more members. Received: members={members}")
        inputs = members[0].input
        # Layers of several members have the same names, so each member becomes one layer.
        networks = [
            keras.Model(member.input, member.member_output(), name=f"member_{index}")
            for index, member in enumerate(members)
        ]
        outputs = self.combine([network(inputs) for network in networks], combination)
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)
        self.members = list(members)
        self.combination = combination

    @staticmethod
    def combine(outputs: list[Tensor], combination: Literal["mean", "median"]) -> Tensor:
        """The symbolic output of the ensemble, from those of its members."""
        return COMBINATIONS[combination](dtype="float32", name=combination)(outputs)

    def get_config(self) -> dict[str, Any]:
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        for member in members:
            member.pop("compile_config", None)
        # Members have their own data type policies, for layers of the same names.
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "members": members,
            "combination": self.combination,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        members = [keras.saving.deserialize_keras_object(member) for member in config["members"]]
        return super().from_config({**config, "members": members})


class Ensemble(TaskModel):
    """A task model whose backbone is an `EnsembleBackbone`.

    A mixin before the other mixins of a task kind.
    """

    backbone_cls = EnsembleBackbone
    ensemble_class = None

    @property
    def members(self) -> Sequence[TaskModel]:
        return self.backbone.members

    def stream_obstacle(self) -> str | None:
        obstacles = (member.stream_obstacle() for member in self.members)
        return next(filter(None, obstacles), None)

    def initial_states(self, batch_size: int) -> list[Any]:
        """The states of all members; see `SequencePredictor`."""
        return [member.initial_states(batch_size) for member in self.members]

    def continued(self, piece: Any, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """Reads a piece of an input with all members; see `SequencePredictor`."""
        results = [
            member.continued(piece, state)
            for member, state in zip(self.members, states, strict=True)
        ]
        outputs, states = zip(*results, strict=True)
        return self.backbone.get_layer(self.backbone.combination)(list(outputs)), list(states)


def ensemble(members: Sequence[TaskModel]) -> TaskModel:
    """Combines several trained models into one that answers with the mean of their outputs, or with
    their median if their task kind says so.

    The ensemble holds copies of their weights, so training a member further leaves it unchanged.

    Args:
        members: list of models of one task kind with the same input and labels; architectures may
            differ. A single model is returned as it is.

    Raises:
        ValueError: there are no members, or they differ in task kind, labels or preprocessing, or
            one is an ensemble itself.
    """
    if len(members) == 1:
        return members[0]
    classes = {member.ensemble_class for member in members}
    if len(classes) != 1 or None in classes:
        raise ValueError(
            "Members of an ensemble must be one or more models of one task kind that has "
            "ensembles, and none may be an ensemble itself. Received: "
            f"{[type(member).__name__ for member in members]}"
        )
    first = members[0]
    ours = first.shared_by_members()
    for member in members[1:]:
        theirs = member.shared_by_members()
        for name in {**ours, **theirs}:
            if ours.get(name) != theirs.get(name):
                raise ValueError(
                    f"Members of an ensemble must have the same {name}. Received: "
                    f"{ours.get(name)} and {theirs.get(name)}"
                )
    copies = [_without_preprocessor(member) for member in members]
    (ensemble_class,) = filter(None, classes)
    backbone = ensemble_class.backbone_cls(copies, first.combination)
    return ensemble_class(backbone, preprocessor=first.preprocessor, **first.ensemble_options())


def _without_preprocessor(member):
    """A copy that takes the preprocessor's output."""
    copy = type(member).from_config({**member.get_config(), "preprocessor": None})
    without_optimizer = lambda model: {"objects_to_skip": list(filter(None, [model.optimizer]))}
    with tempfile.TemporaryDirectory() as folder:
        # Through a file: unlike `set_weights`, that refreshes what `Normalization` derives from its
        # weights.
        path = Path(folder, "member.weights.h5")
        keras.saving.save_weights(member, path, **without_optimizer(member))
        keras.saving.load_weights(copy, path, **without_optimizer(copy))
    return copy
