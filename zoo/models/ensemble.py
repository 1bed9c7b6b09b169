"""Ensembles: several classifiers that answer together."""

import tempfile
from pathlib import Path

import keras
import keras_hub

from zoo.models.audio_classifier.audio_classifier import AudioClassifier
from zoo.models.audio_classifier.audio_classifier_preprocessor import AudioClassifierPreprocessor
from zoo.models.ngram_classifier.ngram_classifier import NgramClassifier
from zoo.models.sequence_classifier import Classifier
from zoo.models.text_classifier.text_classifier import TextClassifier
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor

# What the command and the export ask a backbone about its input.
OF_THE_INPUT = ("features", "feature_dim", "sampling_rate")


@keras.saving.register_keras_serializable(package="zoo")
class EnsembleBackbone(keras_hub.models.Backbone):
    """The mean of the probabilities of several classifiers of one input (L. K. Hansen and
    P. Salamon, "Neural Network Ensembles", 1990).

    Args:
        members: list of two or more classifiers of the same input and labels, without
            preprocessors.

    Returns:
        A float32 tensor `[batch, classes]`.
    """

    def __init__(self, members, dtype=None, **kwargs):
        if len(members) < 2:
            raise ValueError(f"An ensemble has two or more members. Received: members={members}")
        inputs = members[0].input
        networks = [
            keras.Model(member.input, member.output, name=f"member_{index}")
            for index, member in enumerate(members)
        ]
        outputs = keras.layers.Average(dtype="float32", name="mean")(
            [network(inputs) for network in networks]
        )
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)
        self.members = list(members)
        for name in OF_THE_INPUT:
            if hasattr(members[0].backbone, name):
                setattr(self, name, getattr(members[0].backbone, name))

    def get_config(self):
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        for member in members:
            member.pop("compile_config", None)
        return {**super().get_config(), "members": members}

    @classmethod
    def from_config(cls, config):
        members = [keras.saving.deserialize_keras_object(member) for member in config["members"]]
        return super().from_config({**config, "members": members})


class Ensemble(Classifier):
    """Answers with the mean of what its members say.

    A mixin in front of a `keras_hub.models.Task`.

    Args:
        backbone: an `EnsembleBackbone`.
        labels: list of str, the names of the classes in order.
        preprocessor: that of the members, or None to give padded batches yourself.
    """

    def __init__(self, backbone, labels, preprocessor=None, **kwargs):
        super().__init__(backbone, backbone(backbone.input), labels, preprocessor, **kwargs)


@keras.saving.register_keras_serializable(package="zoo")
class TextEnsemble(Ensemble, keras_hub.models.TextClassifier):
    """Several `TextClassifier` and `NgramClassifier` as one; see `Ensemble` and
    `TextClassifier.predict`."""

    backbone_cls = EnsembleBackbone
    preprocessor_cls = TextClassifierPreprocessor


@keras.saving.register_keras_serializable(package="zoo")
class AudioEnsemble(Ensemble, keras_hub.models.Task):
    """Several `AudioClassifier` as one; see `Ensemble` and `AudioClassifier.predict`."""

    backbone_cls = EnsembleBackbone
    preprocessor_cls = AudioClassifierPreprocessor


KINDS = {
    AudioClassifier: AudioEnsemble,
    NgramClassifier: TextEnsemble,
    TextClassifier: TextEnsemble,
}


def ensemble(members):
    """One model of several trained classifiers, which answers with the mean of what they say.

    It has copies of their weights, so that it stays as it is when they are trained on.

    Args:
        members: list of `TextClassifier` and `NgramClassifier`, or of `AudioClassifier`, of the
            same labels and preprocessing; architectures may differ. One model alone, of any kind,
            is returned as it is.

    Raises:
        ValueError: if members are none, or of different kinds, labels or preprocessing.
    """
    if len(members) == 1:
        return members[0]
    kinds = {KINDS.get(type(member)) for member in members}
    if len(kinds) != 1 or None in kinds:
        raise ValueError(
            "Members of an ensemble are text classifiers, or audio classifiers. Received: "
            f"{[type(member).__name__ for member in members]}"
        )
    first = members[0]
    for member in members[1:]:
        if member.labels != first.labels:
            raise ValueError(
                "Members of an ensemble have the same labels. Received: "
                f"{first.labels} and {member.labels}"
            )
        if _reading(member) != _reading(first):
            raise ValueError(
                "Members of an ensemble read alike, and these don't: texts need the same tokenizer "
                "and length, sound the same rate and features."
            )
    backbone = EnsembleBackbone([_without_preprocessor(member) for member in members])
    return kinds.pop()(backbone, first.labels, first.preprocessor)


def _reading(member):
    """What decides how a raw input reaches the network; equal where that is."""
    tokenizer = getattr(member.preprocessor, "tokenizer", None)
    return (
        tokenizer and tokenizer.proto,
        getattr(member.preprocessor, "sequence_length", None),
        getattr(member.preprocessor, "feature_dim", None),
        getattr(member.backbone, "sampling_rate", None),
    )


def _without_preprocessor(member):
    """A copy that takes what the preprocessor gives."""
    copy = type(member).from_config({**member.get_config(), "preprocessor": None})
    without_optimizer = lambda model: {"objects_to_skip": list(filter(None, [model.optimizer]))}
    with tempfile.TemporaryDirectory() as folder:
        # As files, since `set_weights` doesn't tell a `Normalization`.
        path = Path(folder, "member.weights.h5")
        keras.saving.save_weights(member, path, **without_optimizer(member))
        keras.saving.load_weights(copy, path, **without_optimizer(copy))
    return copy
