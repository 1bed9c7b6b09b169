"""The choice of the module that binds the native kernels to the backend of Keras."""

import importlib

import keras

# `zoo.layers.kernels.on_<backend>`, or `None` if there is none for the backend.
binding = None
if keras.backend.backend() in ("tensorflow", "jax", "torch"):
    binding = importlib.import_module(f"zoo.layers.kernels.on_{keras.backend.backend()}")
