"""Preprocessor of the audio classifier: clips of any length in, a padded batch out."""

from typing import Any

import keras
import keras_hub

from zoo.models.audio.clips import check_clip, padded
from zoo.models.audio_classifier.audio_backbone import AudioBackbone
from zoo.models.ragged import pad_tensor
from zoo.models.tokenizer import is_symbolic
from zoo.typing import Shape


@keras.saving.register_keras_serializable(package="zoo")
class AudioClassifierPreprocessor(keras_hub.models.Preprocessor):
    """Pads clips to the longest of a batch, with a mask of the padding.

    Args:
        feature_dim: int or None. None for waveforms, `[samples]`; otherwise clips are frames,
            `[frames, feature_dim]`.

    Call arguments:
        x: list of float arrays of any length; an array of clips of one length; or inside a
            `tf.data` pipeline a tensor of clips, which may be ragged.
        y: labels, passed through.
        sample_weight: passed through.

    Returns:
        `x` as a dict of `"audio"`, float32 `[batch, time]` or `[batch, time, feature_dim]`, and
        `"padding_mask"`, bool `[batch, time]`; with `y` and `sample_weight` if given.

    Raises:
        InputError: a clip is empty, has the wrong shape or has values that aren't finite.
    """

    backbone_cls = AudioBackbone

    def __init__(self, feature_dim: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.feature_dim = feature_dim

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        if is_symbolic(x):
            audio, padding_mask = pad_tensor(x, self.feature_dim)
            x = {"audio": audio, "padding_mask": padding_mask}
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        clips = [check_clip(clip, self.feature_dim) for clip in x]
        audio, padding_mask = padded(clips, self.feature_dim)
        x = {"audio": audio, "padding_mask": padding_mask}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature_dim": self.feature_dim}
