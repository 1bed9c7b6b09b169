"""Preprocessor of the audio classifier: clips of any length in, a padded batch out."""

import keras
import keras_hub
import numpy as np

from zoo.models.audio_classifier.audio_backbone import AudioBackbone
from zoo.models.protocol import InputError
from zoo.models.ragged import pad_tensor
from zoo.models.tokenizer import is_symbolic


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
        InputError: a clip is empty or of another shape, or has values that aren't finite.
    """

    backbone_cls = AudioBackbone

    def __init__(self, feature_dim=None, **kwargs):
        super().__init__(**kwargs)
        self.feature_dim = feature_dim

    def build(self, input_shape):
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        if is_symbolic(x):
            audio, padding_mask = pad_tensor(x, self.feature_dim)
            x = {"audio": audio, "padding_mask": padding_mask}
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        clips = [self._check(clip) for clip in x]
        lengths = np.array([len(clip) for clip in clips])
        padding_mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        frame = () if self.feature_dim is None else (self.feature_dim,)
        audio = np.zeros(padding_mask.shape + frame, "float32")
        if clips:
            audio[padding_mask] = np.concatenate(clips)
        x = {"audio": audio, "padding_mask": padding_mask}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _check(self, clip):
        clip = np.asarray(clip)
        if not np.issubdtype(clip.dtype, np.number):
            raise InputError(f"A clip must be an array of floats. Received: dtype={clip.dtype}")
        if self.feature_dim is None and np.issubdtype(clip.dtype, np.integer) and clip.any():
            raise InputError(
                "Samples must be floats from -1 to 1; divide 16-bit integers by 32768. Received: "
                f"dtype={clip.dtype}"
            )
        clip = clip.astype("float32")
        frame = () if self.feature_dim is None else (self.feature_dim,)
        expected = "[samples]" if self.feature_dim is None else f"[frames, {self.feature_dim}]"
        if clip.shape[1:] != frame or clip.ndim != 1 + len(frame):
            raise InputError(f"A clip must have the shape {expected}. Received: shape={clip.shape}")
        if not len(clip):
            raise InputError(
                f"A clip needs at least one sample or frame. Received: shape={clip.shape}"
            )
        if not np.isfinite(clip).all():
            raise InputError("A clip's values must be finite. Received NaN or infinity.")
        return clip

    def get_config(self):
        return {**super().get_config(), "feature_dim": self.feature_dim}
