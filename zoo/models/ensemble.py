"""Ensembles: several models of a task that answer together."""

import tempfile
from pathlib import Path

import keras
import keras_hub
from keras import ops

from zoo.models.audio_classifier.audio_classifier import AudioClassifier
from zoo.models.audio_classifier.audio_classifier_preprocessor import AudioClassifierPreprocessor
from zoo.models.ngram_classifier.ngram_classifier import NgramClassifier
from zoo.models.sequence_classifier import Classifier
from zoo.models.text_classifier.text_classifier import TextClassifier
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor
from zoo.models.translator.translator import Translator

# What the command and the export ask a backbone about its input.
OF_THE_INPUT = ("features", "feature_dim", "sampling_rate")


@keras.saving.register_keras_serializable(package="zoo")
class EnsembleBackbone(keras_hub.models.Backbone):
    """The mean of the probabilities of several models of one input (L. K. Hansen and P. Salamon,
    "Neural Network Ensembles", 1990).

    Args:
        members: list of two or more classifiers of the same input and labels, or translators of
            the same vocabulary, without preprocessors.

    Returns:
        A float32 tensor `[batch, classes]`; of translators `[batch, decoder_time,
        vocabulary_size]`.
    """

    def __init__(self, members, dtype=None, **kwargs):
        if len(members) < 2:
            raise ValueError(f"An ensemble has two or more members. Received: members={members}")
        inputs = members[0].input
        networks = [
            keras.Model(member.input, _probabilities(member), name=f"member_{index}")
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


def _probabilities(member):
    """The output of a classifier; of a translator, which gives logits, made into them."""
    if isinstance(member, Translator):
        return keras.layers.Softmax(dtype="float32", name="probabilities")(member.output)
    return member.output


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


@keras.saving.register_keras_serializable(package="zoo")
class TranslatorEnsemble(Translator):
    """Several `Translator` as one: each subword is chosen by the mean of what they say of it.

    Args:
        backbone: an `EnsembleBackbone`.
        preprocessor: that of the members.
        beam_width: int, see `Translator`.
    """

    backbone_cls = EnsembleBackbone

    @staticmethod
    def _logits(backbone):
        return _log(backbone(backbone.input))

    def _start(self, inputs):
        caches = [member._start(inputs) for member in self.backbone.members]
        members = {str(number): cache["source"] for number, cache in enumerate(caches)}
        return {"states": [cache["states"] for cache in caches], "source": members}

    def _step(self, token_ids, cache):
        probabilities, hidden, states = [], [], []
        for number, member in enumerate(self.backbone.members):
            of_member = {"states": cache["states"][number], "source": cache["source"][str(number)]}
            logits, outputs, of_member = member._step(token_ids, of_member)
            probabilities.append(ops.softmax(ops.cast(logits, "float32")))
            hidden.append(outputs)
            states.append(of_member["states"])
        mean = sum(probabilities) / len(probabilities)
        return _log(mean), ops.concatenate(hidden, axis=-1), {**cache, "states": states}

    def _attention_scores(self, inputs):
        scores = [member._attention_scores(inputs) for member in self.backbone.members]
        return sum(scores) / len(scores)


def _log(probabilities):
    """Logits of these probabilities."""
    return ops.log(ops.maximum(probabilities, 1e-12))


KINDS = {
    AudioClassifier: AudioEnsemble,
    NgramClassifier: TextEnsemble,
    TextClassifier: TextEnsemble,
    Translator: TranslatorEnsemble,
}


def ensemble(members):
    """One model of several trained ones, which answers with the mean of what they say.

    It has copies of their weights, so that it stays as it is when they are trained on.

    Args:
        members: list of `TextClassifier` and `NgramClassifier`, of `AudioClassifier`, or of
            `Translator`, of the same labels and preprocessing; architectures may differ. One model
            alone is returned as it is.

    Raises:
        ValueError: if members are none, or of different kinds, labels or preprocessing.
    """
    if len(members) == 1:
        return members[0]
    kinds = {KINDS.get(type(member)) for member in members}
    if len(kinds) != 1 or None in kinds:
        raise ValueError(
            "Members of an ensemble are text classifiers, audio classifiers or translators, all of "
            "one task and none an ensemble itself. Received: "
            f"{[type(member).__name__ for member in members]}"
        )
    first = members[0]
    for member in members[1:]:
        ours, theirs = (getattr(model, "labels", None) for model in (first, member))
        if ours != theirs:
            raise ValueError(
                f"Members of an ensemble have the same labels. Received: {ours} and {theirs}"
            )
        if _reading(member) != _reading(first):
            raise ValueError(
                "Members of an ensemble read alike, and these don't: texts need the same tokenizer "
                "and length, sound the same rate and features."
            )
    backbone = EnsembleBackbone([_without_preprocessor(member) for member in members])
    config = first.get_config()
    own = {name: config[name] for name in ("labels", "beam_width") if name in config}
    return kinds.pop()(backbone, preprocessor=first.preprocessor, **own)


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
