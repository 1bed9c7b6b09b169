"""Type aliases that several modules share."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras

# A tensor of Keras' backend, a symbolic one of Keras, or an array: no backend is always installed,
# so there is no class to name.
Tensor: TypeAlias = Any
# The axes of a tensor, None for those of any length.
Shape: TypeAlias = tuple[int | None, ...]
# What Keras finds by its name or its configuration; None is the identity, or nothing.
Activation: TypeAlias = str | dict[str, Any] | Callable[[Tensor], Tensor] | None
Initializer: TypeAlias = str | dict[str, Any] | Callable[..., Tensor]
Regularizer: TypeAlias = str | dict[str, Any] | Callable[[Tensor], Tensor] | None
Constraint: TypeAlias = str | dict[str, Any] | Callable[[Tensor], Tensor] | None
DType: TypeAlias = str | dict[str, Any] | keras.DTypePolicy | None
