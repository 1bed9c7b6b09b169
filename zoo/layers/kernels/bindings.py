"""The choice of the module that binds the native kernels to the backend of Keras.

Each such module has a function
`run(library, options, sequences, mask, weights, initial_state, draw, quantized)`, which returns the
last output, the outputs of all steps, and the list of the last states. `library` is what its `load`
returned, `options` an `Options` of `zoo.layers.kernels`, and `quantized` the list of the
`QuantizedMatrix` among the weights, which are then left out of `weights`. The others are those of
`zoo.layers.kernels.run`, as tensors of the right data types.
"""

import importlib

import keras

# `zoo.layers.kernels.on_<backend>`, or `None` if there is none for the backend.
binding = None
if keras.backend.backend() in ("tensorflow", "jax", "torch"):
    binding = importlib.import_module(f"zoo.layers.kernels.on_{keras.backend.backend()}")
