"""Ensembles: several classifiers that answer together."""

import keras
import keras_hub

from zoo.models.audio_classifier.audio_classifier import AudioClassifier
from zoo.models.audio_classifier.audio_classifier_preprocessor import AudioClassifierPreprocessor
from zoo.models.sequence_classifier import Classifier
from zoo.models.text_classifier.text_classifier import TextClassifier
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor


@keras.saving.register_keras_serializable(package="zoo")
class EnsembleBackbone(keras_hub.models.Backbone):
    """The mean of the probabilities of several classifiers of one input (L. K. Hansen and
    P. Salamon, "Neural Network Ensembles", 1990).

    What is asked of a backbone besides, such as its `sampling_rate`, it has of the first of them.

    Args:
        members: list of two or more classifiers of the same input and labels. Their own
            preprocessors are left aside.

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

    def __getattr__(self, name):
        if "members" not in self.__dict__:  # not built yet
            raise AttributeError(name)
        return getattr(self.members[0].backbone, name)

    def save_weights(self, filepath, **kwargs):
        """As `keras.Model.save_weights`, without the optimizers that trained the members."""
        keras.saving.save_weights(self, filepath, objects_to_skip=self._optimizers(), **kwargs)

    def load_weights(self, filepath, **kwargs):
        """Loads what `save_weights` saved."""
        keras.saving.load_weights(self, filepath, objects_to_skip=self._optimizers(), **kwargs)

    def _optimizers(self):
        return [member.optimizer for member in self.members if member.optimizer]

    def get_config(self):
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        for member in members:
            member["config"]["preprocessor"] = None
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
    """Several `TextClassifier` as one; see `Ensemble` and `TextClassifier.predict`."""

    backbone_cls = EnsembleBackbone
    preprocessor_cls = TextClassifierPreprocessor


@keras.saving.register_keras_serializable(package="zoo")
class AudioEnsemble(Ensemble, keras_hub.models.Task):
    """Several `AudioClassifier` as one; see `Ensemble` and `AudioClassifier.predict`."""

    backbone_cls = EnsembleBackbone
    preprocessor_cls = AudioClassifierPreprocessor


def ensemble(members):
    """One model of several trained classifiers, which answers with the mean of what they say.

    Args:
        members: list of `TextClassifier`, or of `AudioClassifier`, of the same labels and
            preprocessing; one alone is returned as it is. Architectures may differ.

    Raises:
        ValueError: if members are of different kinds or labels, or can't be put together.
    """
    first = members[0]
    if len(members) == 1:
        return first
    kinds = {AudioClassifier: AudioEnsemble, TextClassifier: TextEnsemble}
    for member in members:
        if type(member) is not type(first) or type(member) not in kinds:
            raise ValueError(
                "Members of an ensemble are text classifiers, or audio classifiers. Received: "
                f"{[type(member).__name__ for member in members]}"
            )
        if member.labels != first.labels:
            raise ValueError(
                "Members of an ensemble have the same labels. Received: "
                f"{first.labels} and {member.labels}"
            )
    return kinds[type(first)](EnsembleBackbone(members), first.labels, first.preprocessor)
