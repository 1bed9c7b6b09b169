"""Dialogue backbone: a language backbone under its own name."""

import keras

from zoo.models.language_model.language_backbone import LanguageBackbone


@keras.saving.register_keras_serializable(package="zoo")
class DialogueBackbone(LanguageBackbone):
    """A `LanguageBackbone` of conversations.

    KerasHub finds the task of a preset by the class of its backbone, so each task has its own.
    """
