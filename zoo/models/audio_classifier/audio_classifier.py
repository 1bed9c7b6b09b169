"""Task: clips of audio in, probabilities of labels out."""

import keras_hub

from zoo.models.audio.audio_input import AudioInput
from zoo.models.audio_classifier.audio_backbone import AudioBackbone
from zoo.models.audio_classifier.audio_classifier_preprocessor import AudioClassifierPreprocessor
from zoo.models.audio_classifier.audio_ensemble import AudioEnsemble
from zoo.models.protocol import register
from zoo.models.sequence_classifier import SequenceClassifier


@register
class AudioClassifier(AudioInput, SequenceClassifier, keras_hub.models.Task):
    """Classifies audio with a recurrent encoder, pooling over time and a softmax.

    `predict` takes a list of float arrays, waveforms `[samples]` or frames `[frames, features]`
    of any length, and returns float32 probabilities `[batch, classes]`, in the order of `labels`.
    Arguments as in `SequenceClassifier`, with an `AudioBackbone` and an
    `AudioClassifierPreprocessor`.

    Example:
    ```python
    model = zoo.models.AudioClassifier.from_preset(folder)
    model.predict([waveform])
    ```
    """

    task_kind = "speech"
    ensemble_class = AudioEnsemble
    backbone_cls = AudioBackbone
    preprocessor_cls = AudioClassifierPreprocessor
