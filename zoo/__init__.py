"""Recurrent Zoo: recurrent layers, models and pretrained presets for Keras."""

from typing import TYPE_CHECKING

from zoo import _command
from zoo.pretrained import Card, PresetError, card, list_presets, load

# Keras takes seconds to import, and `zoo list` doesn't need it. Elsewhere `import zoo` registers
# the models with Keras, so that KerasHub can load their presets.
if TYPE_CHECKING or not _command.is_running():
    from zoo import _quiet_start  # noqa: F401, I001 - before anything imports TensorFlow
    from zoo import layers, models
    from zoo.models.gates import gates, plot_gates
    from zoo.models.streams import stream

__version__ = "0.2.0"

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
    "stream",
]
