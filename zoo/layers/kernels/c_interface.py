"""The C interface of the native kernels, by `ctypes`; `c_interface.h` describes it."""

import ctypes

_MOST_AXES = 4


class Array(ctypes.Structure):
    """`ZooArray`."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("axes", ctypes.c_int64),
        ("sizes", ctypes.c_int64 * _MOST_AXES),
    ]

    def __init__(self, shape, data=None):
        super().__init__(data, len(shape), tuple(shape[:_MOST_AXES]))


class Threads(ctypes.Structure):
    """`ZooThreads`, here always those of the library."""

    _fields_ = [
        ("count", ctypes.c_int64),
        ("context", ctypes.c_void_p),
        ("schedule", ctypes.c_void_p),
    ]


_Arrays = ctypes.POINTER(Array)


class Call(ctypes.Structure):
    """`ZooCall`.

    Args:
        options: `zoo.layers.kernels.Options`.
        element_size: 4 or 8, the bytes of a number.
        x: `Array`.
        mask: `Array`, of shape `(0, 0)` for no mask.
        weights: List of `Array`.
        initial_state: The same.
        drawn: The same.
        threads: The number of threads, with the caller.
        quantized: List of `Array`, the quantized matrices.
        scales: The same, of their scales.
    """

    _fields_ = [
        ("cell", ctypes.c_char_p),
        ("activation", ctypes.c_char_p),
        ("recurrent_activation", ctypes.c_char_p),
        ("element_size", ctypes.c_int64),
        ("go_backwards", ctypes.c_int64),
        ("zero_output_for_mask", ctypes.c_int64),
        ("return_sequences", ctypes.c_int64),
        ("in_bfloat16", ctypes.c_int64),
        ("x", Array),
        ("mask", Array),
        ("weights", _Arrays),
        ("initial_state", _Arrays),
        ("drawn", _Arrays),
        ("quantized", _Arrays),
        ("scales", _Arrays),
        ("weight_count", ctypes.c_int64),
        ("state_count", ctypes.c_int64),
        ("drawn_count", ctypes.c_int64),
        ("quantized_count", ctypes.c_int64),
        ("threads", Threads),
    ]

    def __init__(
        self,
        options,
        element_size,
        x,
        mask,
        weights,
        initial_state,
        drawn,
        threads=1,
        quantized=(),
        scales=(),
    ):
        super().__init__(
            options.cell.encode(),
            options.activation.encode(),
            options.recurrent_activation.encode(),
            element_size,
            options.go_backwards,
            options.zero_output_for_mask,
            options.return_sequences,
            options.in_bfloat16,
            x,
            mask,
            _arrays(weights),
            _arrays(initial_state),
            _arrays(drawn),
            _arrays(quantized),
            _arrays(scales),
            len(weights),
            len(initial_state),
            len(drawn),
            len(quantized),
            Threads(threads),
        )


class Results(ctypes.Structure):
    """`ZooResults`."""

    _fields_ = [("last", Array), ("outputs", Array), ("saved", Array), ("state", _Arrays)]

    def __init__(self, last, outputs, saved, state):
        super().__init__(last, outputs, saved, _arrays(state))


class Gradients(ctypes.Structure):
    """`ZooGradients`."""

    _fields_ = [
        ("outputs", Array),
        ("saved", Array),
        ("d_last", Array),
        ("d_outputs", Array),
        ("d_state", _Arrays),
        ("d_x", Array),
        ("d_weights", _Arrays),
        ("d_initial_state", _Arrays),
    ]

    def __init__(self, outputs, saved, d_last, d_outputs, d_state, d_x, d_weights, d_initial_state):
        super().__init__(
            outputs,
            saved,
            d_last,
            d_outputs,
            _arrays(d_state),
            d_x,
            _arrays(d_weights),
            _arrays(d_initial_state),
        )


class Library:
    """The functions of a compiled library.

    Args:
        path: The path of the library.

    Raises:
        OSError: If it cannot be loaded.
    """

    def __init__(self, path):
        self.functions = ctypes.CDLL(str(path))
        arguments = {
            "zoo_saved_size": (Call, ctypes.c_int64),
            "zoo_forward": (Call, Results),
            "zoo_backward": (Call, Gradients),
        }
        for name, types in arguments.items():
            function = getattr(self.functions, name)
            function.argtypes = [ctypes.POINTER(type_) for type_ in types]
            function.restype = ctypes.c_char_p

    def saved_size(self, call):
        """Returns the size of what the forward pass of a `Call` saves.

        Raises:
            ValueError: If an argument has the wrong shape; so do the other functions.
        """
        size = ctypes.c_int64()
        _check(self.functions.zoo_saved_size(call, size))
        return size.value

    def forward(self, call, results):
        """Runs the forward pass of a `Call` into the arrays of `Results`."""
        _check(self.functions.zoo_forward(call, results))

    def backward(self, call, gradients):
        """Runs the backward pass of a `Call` into the arrays of `Gradients`."""
        _check(self.functions.zoo_backward(call, gradients))


def has_bfloat16_products(path):
    """Returns whether this processor has the products that `in_bfloat16` needs, by a library."""
    function = ctypes.CDLL(str(path)).zoo_has_bfloat16_products
    function.restype = ctypes.c_bool
    return function()


def _arrays(arrays):
    return (Array * len(arrays))(*arrays)


def _check(error):
    if error is not None:
        raise ValueError(error.decode())
