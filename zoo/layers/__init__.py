"""Recurrent layers: drop-ins for those of Keras, their variants, the registry of architectures."""

from zoo.layers import architectures

# The registry names each architecture; its layer and its cell are public by that: `LSTM`,
# `LSTMCell`, `PeepholeLSTM`, ...
_layers = [architectures.get(name).layer for name in architectures.names()]
_public = {cls.__name__: cls for layer in _layers for cls in (layer.cell_class, layer)}
globals().update(_public)

__all__ = sorted([*_public, "architectures"])
