"""Recurrent Zoo: recurrent layers, models and pretrained presets for Keras."""

from zoo import _quiet_start  # noqa: F401, I001 - before anything imports TensorFlow
from zoo import layers, models
from zoo.models.gates import gates, plot_gates
from zoo.pretrained import Card, PresetError, card, list_presets, load

__version__ = "0.1.0"

__all__ = [
    "Card",
    "PresetError",
    "card",
    "gates",
    "layers",
    "list_presets",
    "load",
    "models",
    "plot_gates",
]
