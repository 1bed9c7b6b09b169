"""The base classes of recurrent cells."""

from collections.abc import Callable
from typing import Any

import keras
from keras import activations, constraints, initializers, ops, regularizers

from zoo.layers.quantization import QuantizedMatrix, multiplier
from zoo.layers.recurrence.dropout import DropoutMasks
from zoo.typing import Activation, Constraint, Initializer, Regularizer, Shape, Tensor

# The methods that a native kernel replaces.
_IN_KERNEL = {"step", "projection", "input_product", "recurrent_product", "input_bias"}


class RecurrentCell(keras.layers.Layer, DropoutMasks):
    """One step of a recurrent network: the base class of all cells.

    A step has two parts. `projection` computes `x W + b`, which does not depend on the state, so a
    layer can compute it for all time steps in one product. `step` computes the rest. A subclass
    sets `num_blocks`, the number of blocks of `units` columns in its weights, and implements
    `step`. If its weights differ, it also overrides `build`, and `recurrent_product` or
    `projection`. If a native kernel has its equations, it sets `native_cell`, and overrides
    `native_arguments` if the weights differ.

    The first state of a cell is its output. `state_names` names every state. `kernel_names` names
    the matrices among the weights, which `quantize("int8")` quantizes: `add_kernel` adds each of
    them, `read_kernel` reads it, and `zoo.layers.quantization.multiplier` multiplies by it.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Activation of the candidate state. `None` is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Initializer of `kernel`, which multiplies the input.
        recurrent_initializer: Initializer of `recurrent_kernel`, which multiplies the state.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of `kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint of `kernel`.
        recurrent_constraint: Constraint of `recurrent_kernel`.
        bias_constraint: Constraint of `bias`.
        dropout: Float in [0, 1], the fraction of the inputs to drop. All steps share one mask.
        recurrent_dropout: Float in [0, 1], the fraction of the state to drop before the recurrent
            product. All steps share one mask.
        seed: Integer, the seed of all dropout masks.
        recurrent_weight_dropout: Float in [0, 1), the fraction of the elements of
            `recurrent_kernel` to drop. All steps share one mask (S. Merity, N. Keskar and
            R. Socher, "Regularizing and Optimizing LSTM Language Models", ICLR 2018). Unlike
            `recurrent_dropout`, it works with the native kernels.
        max_timescale: Number greater than 2, the longest dependency of the data in steps, or
            `None`. With it, the bias of the gate that keeps the state starts at `log(u)`, and the
            bias of the gate that overwrites it at `-log(u)`, where `u` is drawn for each unit from
            the uniform distribution on [1, `max_timescale` - 1], so the unit forgets with a time
            constant of `1 + u` steps. The other blocks of the bias keep their initializers. This
            is chrono initialization (C. Tallec and Y. Ollivier, "Can recurrent neural networks
            warp time?", ICLR 2018).

    Raises:
        ValueError: If `units` is not positive, if `recurrent_weight_dropout` is not in [0, 1), or
            if `max_timescale` is at most 2 or the cell has no bias or no gate for it.
    """

    num_blocks = 1
    state_names: tuple[str, ...] = ("h",)
    kernel_names: tuple[str, ...] = ("kernel", "recurrent_kernel")
    # The name in `zoo.layers.kernels` of the kernel with these equations, or `None`.
    native_cell: str | None = None
    # The gates that `max_timescale` initializes, by block: 1 if it keeps the state, -1 if it
    # overwrites it.
    timescale_gates: dict[int, int] = {}
    # Whether each block of the weights has its own dropout masks.
    has_masks_per_block = False

    bias: Any  # a `keras.Variable`, or `None` without `use_bias`
    dtype_policy: keras.DTypePolicy

    def __init__(
        self,
        units: int,
        activation: Activation = "tanh",
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        recurrent_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        recurrent_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        recurrent_weight_dropout: float = 0.0,
        max_timescale: float | None = None,
        **kwargs: Any,
    ) -> None:
        if units <= 0:
            raise ValueError(
                "Received an invalid value for argument `units`, "
                f"expected a positive integer, got {units}."
            )
        if not 0 <= recurrent_weight_dropout < 1:
            raise ValueError(
                "`recurrent_weight_dropout` must be at least 0 and less than 1. "
                f"Received: recurrent_weight_dropout={recurrent_weight_dropout}"
            )
        if max_timescale is not None:
            if not self.timescale_gates:
                raise ValueError(
                    f"{type(self).__name__} has no gate that forgets its state, so "
                    f"`max_timescale` must be None. Received: max_timescale={max_timescale}"
                )
            if not use_bias:
                raise ValueError(
                    "`max_timescale` initializes the bias of the gates, so `use_bias` must be "
                    f"True. Received: use_bias={use_bias}, max_timescale={max_timescale}"
                )
            if not max_timescale > 2:
                raise ValueError(
                    "`max_timescale` must be greater than 2. "
                    f"Received: max_timescale={max_timescale}"
                )
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.recurrent_weight_dropout = recurrent_weight_dropout
        self.max_timescale = max_timescale
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size: int | list[int] = units
        self.output_size = units

    def build(self, input_shape: Shape) -> None:
        columns = self.num_blocks * self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], columns))
        self.recurrent_kernel = self.add_kernel("recurrent_kernel", (self.units, columns))
        self.bias = self.add_bias((columns,)) if self.use_bias else None

    def add_kernel(self, name: str, shape: Shape) -> keras.Variable:
        """Adds a weight with the settings of `kernel`, or of `recurrent_kernel` if so named."""
        if self.quantization_mode and name in self.kernel_names:
            return self._add_quantized_kernel(name, shape)
        role = "recurrent" if name.startswith("recurrent") else "kernel"
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer"),
            constraint=getattr(self, f"{role}_constraint"),
        )

    def read_kernel(self, name: str) -> Tensor:
        """Returns one of `kernel_names` as a tensor, or as a `QuantizedMatrix`."""
        values = ops.convert_to_tensor(getattr(self, name))
        if not self.quantization_mode:
            return values
        return QuantizedMatrix(values, ops.convert_to_tensor(getattr(self, f"{name}_scale")))

    def add_bias(
        self,
        shape: Shape,
        initializer: Callable[..., Tensor] | None = None,
        name: str = "bias",
    ) -> keras.Variable:
        """Adds a weight with the settings of `bias`; `initializer` overrides its initializer.

        With `max_timescale`, the gates of `timescale_gates` start at the timescales of the data.
        """
        initializer = initializer or self.bias_initializer
        if self.max_timescale is not None:
            initializer = self._with_timescales(initializer)
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def native(self) -> str | None:
        """Returns the name of the native kernel that computes this cell, or `None`.

        It is `native_cell`, unless a subclass overrides a method that the kernel replaces.
        """
        decisive = _IN_KERNEL | {"native_cell"}
        owner = next(c for c in type(self).__mro__ if decisive & vars(c).keys())
        return self.native_cell if "native_cell" in vars(owner) else None

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        """Returns the arguments of `zoo.layers.kernels.run` that depend on the cell.

        Args:
            sequences: Tensor of shape `(batch, time, features)`.
            training: Whether dropout applies.
        """
        kernel, recurrent_kernel = self.read_kernel("kernel"), self.read_recurrent_kernel(training)
        return {"weights": [kernel, recurrent_kernel, self.bias], "activation": self.activation}

    @property
    def input_bias(self) -> Tensor | None:
        """The bias `b` of `x W + b`, or `None`."""
        return self.bias

    def projection(self, training: bool = False) -> Callable[[Tensor], Tensor]:
        """Returns the function `x -> x W + b`, with dropout in training.

        It maps an `x` of shape `(batch, features)` or `(time, batch, features)` to a tensor of the
        same shape, but with `num_blocks * units` as its last axis. Weights are read here, once.
        Outside training, a layer may call the function at every step, so it draws nothing.
        """
        return self.input_product(training, self.input_bias)

    def input_product(
        self, training: bool = False, bias: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Returns the function `x -> x W + bias`, with dropout in training."""
        bias = None if bias is None else ops.convert_to_tensor(bias)
        masks = self.dropout_masks("dropout", training)
        return self._product(self.read_kernel("kernel"), self.num_blocks, masks, bias)

    def recurrent_product(
        self, training: bool = False, first: int = 0, last: int | None = None
    ) -> Any:
        """Returns the function `h -> h R` for the blocks `first` to `last - 1`, with dropout.

        Weights are read here, once, not at every step.
        """
        kernel = self.read_recurrent_kernel(training)
        last = self.num_blocks if last is None else last
        if last - first < self.num_blocks:
            kernel = kernel[:, first * self.units : last * self.units]
        masks = self.dropout_masks("recurrent_dropout", training)
        return self._product(kernel, last - first, masks and (lambda h: masks(h)[first:last]))

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Any
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Computes one time step.

        Args:
            projected: The result of `projection` for this step, shape
                `(batch, num_blocks * units)`.
            states: List of the previous states, each of shape `(batch, units)`.
            recur: The function that `recurrent_product` returned.

        Returns:
            A tuple of the list of new states, and a dict of the gates and the candidate, each
            `(batch, units)`, under their names in the equations.
        """
        raise NotImplementedError

    def recurrent_weights(self, training: bool = False) -> list[Tensor]:
        """Returns `[R]`, or `[R, d]` if the recurrent product is `h R + d`."""
        return [self.read_recurrent_kernel(training)]

    def read_recurrent_kernel(self, training: bool = False) -> Tensor:
        """Returns `R`, in training without the elements that `recurrent_weight_dropout` drops."""
        kernel = self.read_kernel("recurrent_kernel")
        return self.drop_recurrent_weights(kernel) if training else kernel

    @property
    def has_vector_jacobian_product(self) -> bool:
        """Whether `backpropagation` can use a hand-written vector-Jacobian product of `step`.

        A subclass that overrides `step` does not inherit it.
        """
        family = next(cls for cls in type(self).__mro__ if "step" in vars(cls))
        return (
            "vector_jacobian_product" in vars(family)
            and not self.quantization_mode
            and self.activation is activations.tanh
            and getattr(self, "recurrent_activation", None) in (None, activations.sigmoid)
            and not self.recurrent_dropout
        )

    def call(
        self, inputs: Tensor, states: Tensor | list[Tensor], training: bool = False
    ) -> tuple[Tensor, Tensor | list[Tensor]]:
        nested = keras.tree.is_nested(states)
        projected = self.projection(training)(inputs)
        recur = self.recurrent_product(training)
        states, _ = self.step(projected, list(states) if nested else [states], recur)
        return states[0], states if nested else states[0]

    def quantize(
        self,
        mode: str | None = None,
        type_check: bool = True,
        config: keras.quantizers.QuantizationConfig | None = None,
    ) -> None:
        """Quantizes the kernels to int8 numbers with a scale for each column, for inference.

        Each row is quantized just before it is multiplied by a kernel. Biases, other weights and
        states keep their data type. `keras.Model.quantize` calls this for every cell.

        Args:
            mode: `"int8"`.
            type_check: Whether to reject a cell whose equations aren't those of the zoo, since it
                may not read its weights by `read_kernel`.
            config: A `keras.quantizers.Int8QuantizationConfig`, or `None` for the default.

        Raises:
            NotImplementedError: If `mode` isn't `"int8"`, or the cell is rejected, or `config` has
                a quantizer of activations that isn't a `keras.quantizers.AbsMaxQuantizer`.
            ValueError: If the cell isn't built, or is quantized already.
        """
        if type_check and self.native() is None:
            raise self._not_implemented_error(self.quantize)
        if mode != "int8":
            raise self._quantization_mode_error(mode)
        config = config or keras.quantizers.Int8QuantizationConfig()
        if not isinstance(config.activation_quantizer, keras.quantizers.AbsMaxQuantizer):
            message = "It quantizes its inputs with an AbsMaxQuantizer."
            raise self._not_implemented_error(self.quantize, message)
        quantizer = config.weight_quantizer or keras.quantizers.AbsMaxQuantizer(axis=0)
        quantized = {}
        for name in self.kernel_names:
            quantized[name] = quantizer(getattr(self, name), to_numpy=True)
            delattr(self, name)
        for name, (values, scale) in quantized.items():
            setattr(self, name, self._add_quantized_kernel(name, values.shape))
            getattr(self, name).assign(values)
            getattr(self, f"{name}_scale").assign(ops.squeeze(scale, axis=0))
        if not self.quantization_mode:
            self.dtype_policy = keras.dtype_policies.get(f"{mode}_from_{self.dtype_policy.name}")

    def _add_quantized_kernel(self, name, shape):
        if self.quantization_mode not in (None, "int8"):
            raise self._quantization_mode_error(self.quantization_mode)
        self._is_quantized = True
        kernel = self.add_weight(
            shape=shape, name=name, initializer="zeros", dtype="int8", trainable=False
        )
        scale = self.add_weight(
            shape=shape[1:],
            name=f"{name}_scale",
            initializer="ones",
            trainable=False,
            autocast=False,
        )
        setattr(self, f"{name}_scale", scale)
        return kernel

    def _int8_call(self, *args, **kwargs):
        return self.call(*args, **kwargs)

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
            # Left out if unused, so that the Keras layer of the same name accepts the config.
            **{
                name: value
                for name in ("recurrent_weight_dropout", "max_timescale")
                if (value := getattr(self, name))
            },
        }

    def _with_timescales(self, initializer):
        """Returns `initializer`, but `log(u)` or `-log(u)` at the gates of `timescale_gates`."""
        uniform = initializers.RandomUniform(1.0, self.max_timescale - 1.0)

        def initial_bias(shape, dtype=None):
            units = shape[-1] // self.num_blocks
            log_u = ops.log(uniform((units,), dtype=dtype))
            # A recurrent bias is a second row, so the blocks of the input bias come first.
            blocks = list(ops.unstack(ops.reshape(initializer(shape, dtype=dtype), (-1, units))))
            for block, sign in self.timescale_gates.items():
                blocks[block] = sign * log_u
            return ops.reshape(ops.concatenate(blocks), shape)

        return initial_bias

    def _product(self, kernel, num_blocks, masks, bias=None):
        """Returns the function `x -> x kernel + bias`, where each mask applies to its block."""
        add_bias = lambda x: x if bias is None else x + bias
        if masks is None:
            multiply = multiplier(kernel)
            return lambda x: add_bias(multiply(x))
        blocks = [kernel]
        if self.has_masks_per_block:
            width = kernel.shape[1] // num_blocks
            blocks = [kernel[:, i * width : (i + 1) * width] for i in range(num_blocks)]
        multipliers = [multiplier(block) for block in blocks]

        def product(x):
            products = [m(x * d) for m, d in zip(multipliers, masks(x), strict=True)]
            return add_bias(ops.concatenate(products, axis=-1))

        return product


class GatedCell(RecurrentCell):
    """A `RecurrentCell` whose gates have their own activation, `recurrent_activation`.

    With `recurrent_dropout`, or with `implementation=1`, each gate has its own dropout masks.
    """

    def __init__(
        self,
        units: int,
        *,
        recurrent_activation: Activation = "sigmoid",
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.has_masks_per_block = self.implementation == 1
        if self.has_masks_per_block:
            self.dropout_mask_count = self.num_blocks

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        arguments = super().native_arguments(sequences, training)
        return {**arguments, "recurrent_activation": self.recurrent_activation}

    def get_config(self) -> dict[str, Any]:
        recurrent_activation = activations.serialize(self.recurrent_activation)
        return {**super().get_config(), "recurrent_activation": recurrent_activation}
