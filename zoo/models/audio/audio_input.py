"""Base class of models that take audio: raw input from files, and the exported network."""

from typing import Any

import numpy as np

from zoo.array_files import read_array
from zoo.models.audio.audio_stream import AudioStream
from zoo.models.protocol import InputSchema, TaskModel
from zoo.sound_files import read_sound

WAVEFORM = InputSchema("audio", "float32", rank=1)
FRAMES = InputSchema("frames", "float32", rank=2)


class AudioInput(TaskModel):
    """A task model whose raw input is a waveform, or frames of features.

    A mixin before a `keras_hub.models.Task` with an `AudioBackbone`, or an ensemble of them.
    """

    @property
    def input_schema(self) -> InputSchema:
        return WAVEFORM if self._takes_waveforms else FRAMES

    def read_input(self, argument: str) -> np.ndarray:
        if self._takes_waveforms:
            if not argument:
                raise ValueError("This model takes files: give a path. Received an empty line.")
            return read_sound(argument, self._audio_backbone.sampling_rate)
        return read_array(argument, FRAMES, f"[frames, {self._audio_backbone.feature_dim}]")

    @property
    def default_length(self) -> int:
        """One second of a waveform."""
        if self._takes_waveforms:
            return self._audio_backbone.sampling_rate
        return super().default_length

    def export_obstacle(self, format: str) -> str | None:
        if format == "onnx" and self._takes_waveforms:
            return (
                "A model that takes waveforms can't be exported as ONNX: tf2onnx doesn't support "
                "the Fourier transform of its front end. Use savedmodel or tflite."
            )
        return super().export_obstacle(format)

    def open_stream(self) -> AudioStream:
        return AudioStream(self)

    def shared_by_members(self) -> dict[str, Any]:
        backbone = self._audio_backbone
        return {
            **super().shared_by_members(),
            "input": self.input_schema.name,
            "number of features per frame": None if self._takes_waveforms else backbone.feature_dim,
            "sampling rate": backbone.sampling_rate,
        }

    @property
    def _audio_backbone(self):
        return self.members[0].backbone

    @property
    def _takes_waveforms(self):
        return self._audio_backbone.front_end != "frames"
