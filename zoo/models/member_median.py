"""Layer: the median of the outputs of an ensemble's members."""

from collections.abc import Sequence

import keras
from keras import ops

from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class MemberMedian(keras.layers.Layer):
    """The median of several tensors, element by element; for an even number, the mean of the middle
    two.

    Call arguments:
        inputs: list of float tensors of one shape.

    Returns:
        A float tensor of that shape.
    """

    def build(self, input_shape: Sequence[Shape]) -> None:
        self.built = True

    def call(self, inputs: list[Tensor]) -> Tensor:
        count = len(inputs)
        ordered = ops.sort(ops.stack(inputs, axis=-1), axis=-1)
        return (ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / 2

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])
