"""Matrices of int8 numbers, and their products."""

import dataclasses
from collections.abc import Callable

import keras
from keras import ops

from zoo.typing import Shape, Tensor


@dataclasses.dataclass(frozen=True)
class QuantizedMatrix:
    """A matrix of int8 numbers with a scale for each column.

    Attributes:
        values: int8 tensor of shape `(rows, columns)`.
        scale: Float tensor of shape `(columns,)`. The matrix is `values / scale`.
    """

    values: Tensor
    scale: Tensor

    @property
    def shape(self) -> Shape:
        return self.values.shape

    def __getitem__(self, index: tuple[slice, slice]) -> "QuantizedMatrix":
        """Returns some of the columns, as for a tensor: `matrix[:, first:last]`."""
        _, columns = index
        return QuantizedMatrix(self.values[:, columns], self.scale[columns])

    def dequantized(self) -> Tensor:
        """Returns a float tensor of shape `(rows, columns)`."""
        return ops.cast(self.values, self.scale.dtype) / self.scale


def multiplier(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    """Returns the function `x -> x matrix`.

    For a `QuantizedMatrix`, each row of `x` is quantized too, as by
    `keras.quantizers.AbsMaxQuantizer`. The gradient treats rounding as the identity, as in Keras'
    quantized layers.

    Args:
        matrix: Tensor of shape `(rows, columns)`, or a `QuantizedMatrix`.

    Returns:
        A function of a float tensor `x` of shape `(batch, rows)` or `(time, batch, rows)`.
    """
    if not isinstance(matrix, QuantizedMatrix):
        return lambda x: _multiply(x, matrix)
    # Floats hold these integers and their sums, up to 1040 rows exactly, and are faster.
    values = ops.cast(matrix.values, "float32")
    scale = ops.cast(matrix.scale, "float32")

    def product(x):
        is_double = keras.backend.standardize_dtype(x.dtype) == "float64"
        dtype = "float64" if is_double else "float32"
        factors = [ops.cast(factor, dtype) for factor in (x, values, scale)]
        return ops.cast(_quantized_product(*factors), x.dtype)

    return product


def _multiply(x, matrix):
    # `ops.dot` computes a single matrix product for a three-dimensional `x`, `ops.matmul` one per
    # step.
    return ops.matmul(x, matrix) if len(x.shape) == 2 else ops.dot(x, matrix)


@ops.custom_gradient
def _quantized_product(x, values, scale):
    def gradient(*args, upstream=None):
        (upstream,) = args if upstream is None else (upstream,)
        return _multiply(upstream, ops.transpose(values / scale)), None, None

    largest = ops.max(ops.abs(x), axis=-1, keepdims=True)
    x_scale = 127 / (largest + keras.backend.epsilon())
    rounded = ops.clip(ops.round(x * x_scale), -127, 127)
    return _multiply(rounded, values) / (scale * x_scale), gradient
