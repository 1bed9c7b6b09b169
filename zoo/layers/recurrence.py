"""The base of every recurrent family: a cell that holds equations, a layer that runs it in time."""

import keras
from keras import activations, constraints, initializers, ops, regularizers

# keras.layers.RNN draws and forgets dropout masks only for cells of this class.
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

from zoo.layers import backpropagation, kernels, time_loop


class RecurrentCell(keras.layers.Layer, DropoutRNNCell):
    """One step of a recurrent network: what its families share.

    A step has two halves. `projection` gives the half that does not wait for the state, `x W + b`,
    so a layer can take it for all time steps in one product. `step` is the half that does. A family
    sets `gates`, the number of blocks of `units` columns that its weights have, and writes `step`;
    one with other weights also writes `build`, and `recurrent_product` or `projection`.

    The first state of a cell is its output; `state_names` names all.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Activation of the candidate state. `None` is the identity.
        use_bias: Whether a bias is added.
        kernel_initializer: Initializer of `kernel`, which multiplies the input.
        recurrent_initializer: Initializer of `recurrent_kernel`, which multiplies the state.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of `kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint of `kernel`.
        recurrent_constraint: Constraint of `recurrent_kernel`.
        bias_constraint: Constraint of `bias`.
        dropout: Float in [0, 1], the fraction of the inputs to drop, the same at every step.
        recurrent_dropout: Float in [0, 1], the fraction of the state to drop where it enters the
            recurrent product, the same at every step.
        seed: Integer, the seed of all dropout.
        recurrent_weight_dropout: Float in [0, 1), the fraction of the elements of
            `recurrent_kernel` to drop, the same at every step (S. Merity, N. Keskar and R. Socher,
            "Regularizing and Optimizing LSTM Language Models", ICLR 2018). Unlike
            `recurrent_dropout` it leaves the native kernels in their place.

    Raises:
        ValueError: If `units` is not positive, or `recurrent_weight_dropout` not in [0, 1).
    """

    gates = 1
    state_names = ("h",)
    drops_by_gate = False

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        recurrent_weight_dropout=0.0,
        **kwargs,
    ):
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
        self._recurrent_weight_mask = None
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size = units
        self.output_size = units

    def build(self, input_shape):
        columns = self.gates * self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], columns))
        self.recurrent_kernel = self.add_kernel("recurrent_kernel", (self.units, columns))
        self.bias = self.add_bias((columns,)) if self.use_bias else None

    def add_kernel(self, name, shape):
        """Adds a weight with the settings of `kernel`, or of `recurrent_kernel` if so named."""
        role = "recurrent" if name.startswith("recurrent") else "kernel"
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer"),
            constraint=getattr(self, f"{role}_constraint"),
        )

    def add_bias(self, shape, initializer=None, name="bias"):
        """Adds a weight with the settings of `bias`; `initializer` replaces that of its own."""
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer or self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    @property
    def native_family(self):
        """The name that `zoo.layers.kernels` has for the equations of this cell, or `None`."""
        return None

    @property
    def input_bias(self):
        """The bias `b` of `x W + b`, or `None`."""
        return self.bias

    def projection(self, training=False):
        """Returns the function `x -> x W + b`, with dropout in training.

        It takes an `x` of shape `(batch, features)` or `(time, batch, features)`; what it returns
        has `gates * units` instead of `features`. Where not training, it may be called at every
        step, so it draws nothing, and weights are read here, once.
        """
        return self.input_product(training, self.input_bias)

    def input_product(self, training=False, bias=None):
        """Returns the function `x -> x W + bias`, with dropout in training."""
        kernel = ops.convert_to_tensor(self.kernel)
        bias = None if bias is None else ops.convert_to_tensor(bias)
        return self._product(kernel, self.gates, self.dropout_masks("dropout", training), bias)

    def recurrent_product(self, training=False, first=0, last=None):
        """Returns the function `h -> h R` for the gates `first` up to `last`, with dropout.

        Weights are read here, once, and not at every step.
        """
        kernel = self.read_recurrent_kernel(training)
        last = self.gates if last is None else last
        if last - first < self.gates:
            kernel = kernel[:, first * self.units : last * self.units]
        masks = self.dropout_masks("recurrent_dropout", training)
        return self._product(kernel, last - first, masks and (lambda h: masks(h)[first:last]))

    def step(self, projected, states, recur):
        """One step in time.

        Args:
            projected: The result of `projection` for this step, shape `(batch, gates * units)`.
            states: List of the states of the step before, each of shape `(batch, units)`.
            recur: The result of `recurrent_product`.

        Returns:
            A tuple of the list of the new states, and a dict of what the step computed on the
            way to them, each `(batch, units)`: the gates and the candidate, under the names that
            they have in the equations.
        """
        raise NotImplementedError

    def recurrent_weights(self, training=False):
        """Returns a list of `R` and, if there is one, `d` of the recurrent product `h R + d`."""
        return [self.read_recurrent_kernel(training)]

    def read_recurrent_kernel(self, training=False):
        """Returns `R`, in training without the elements that `recurrent_weight_dropout` drops."""
        kernel = ops.convert_to_tensor(self.recurrent_kernel)
        if not training or not self.recurrent_weight_dropout:
            return kernel
        if self._recurrent_weight_mask is None:
            self._recurrent_weight_mask = keras.random.dropout(
                ops.ones_like(kernel), self.recurrent_weight_dropout, seed=self.seed_generator
            )
        return kernel * self._recurrent_weight_mask

    def get_recurrent_dropout_mask(self, step_input):
        # `keras.layers.RNN` calls this ahead of its loop, in which nothing must be drawn.
        if self.recurrent_weight_dropout:
            self.read_recurrent_kernel(training=True)
        return super().get_recurrent_dropout_mask(step_input)

    def reset_recurrent_dropout_mask(self):
        super().reset_recurrent_dropout_mask()
        self._recurrent_weight_mask = None

    @property
    def is_differentiated(self):
        """Whether the derivatives of `step` are written out, for `backpropagation`.

        A subclass with a `step` of its own has to write out its own.
        """
        family = next(cls for cls in type(self).__mro__ if "step" in vars(cls))
        return (
            "linearize" in vars(family)
            and self.activation is activations.tanh
            and getattr(self, "recurrent_activation", None) in (None, activations.sigmoid)
            and not self.recurrent_dropout
        )

    def call(self, inputs, states, training=False):
        nested = keras.tree.is_nested(states)
        projected = self.projection(training)(inputs)
        recur = self.recurrent_product(training)
        states, _ = self.step(projected, list(states) if nested else [states], recur)
        return states[0], states if nested else states[0]

    def get_initial_state(self, batch_size=None):
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def get_config(self):
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
            # Where it isn't used, Keras' layer can be made of the config too.
            **(
                {"recurrent_weight_dropout": self.recurrent_weight_dropout}
                if self.recurrent_weight_dropout
                else {}
            ),
        }

    def dropout_masks(self, kind, training):
        """The function that gives the dropout masks for a tensor, a list; `None` if none apply."""
        if not training or not 0.0 < getattr(self, kind) < 1.0:
            return None
        get = getattr(self, f"get_{kind}_mask")
        return lambda x: keras.tree.flatten(get(x if len(x.shape) == 2 else x[0]))

    def _product(self, kernel, gates, masks, bias=None):
        """The function `x -> x kernel + bias`, where each mask drops for its share of columns."""
        # `ops.dot` makes one matrix product of a three-dimensional `x`, `ops.matmul` one per step.
        multiply = lambda x, w: ops.matmul(x, w) if len(x.shape) == 2 else ops.dot(x, w)
        add_bias = lambda x: x if bias is None else x + bias
        if masks is None:
            return lambda x: add_bias(multiply(x, kernel))
        blocks = ops.split(kernel, gates, axis=-1) if self.drops_by_gate else [kernel]

        def product(x):
            products = [multiply(x * d, block) for d, block in zip(masks(x), blocks, strict=True)]
            return add_bias(ops.concatenate(products, axis=-1))

        return product


class GatedCell(RecurrentCell):
    """A `RecurrentCell` whose gates have an activation of their own, `recurrent_activation`.

    With `recurrent_dropout`, each gate drops other units of the state, and, with `dropout`, other
    inputs.
    """

    def __init__(self, units, *, recurrent_activation="sigmoid", implementation=2, **kwargs):
        super().__init__(units, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.drops_by_gate = self.implementation == 1
        if self.drops_by_gate:
            self.dropout_mask_count = self.gates

    def get_config(self):
        recurrent_activation = activations.serialize(self.recurrent_activation)
        return {**super().get_config(), "recurrent_activation": recurrent_activation}


def of_cell(name):
    """A read-only property of a layer that is an attribute of its cell."""
    return property(lambda self: getattr(self.cell, name), doc=f"`{name}` of the cell.")


class RecurrentLayer(keras.layers.RNN):
    """A recurrent layer: a loop in time over the cell of its family.

    The family sets `cell_class` and `cell_name`. Arguments that are not those of
    `keras.layers.RNN` are the cell's.

    Args:
        units: Positive integer, the size of the output.
        return_sequences: Whether to return the output of every step, and not of the last alone.
        return_state: Whether to return the last states after the output.
        go_backwards: Whether to process the sequence from its end, and return it reversed.
        stateful: Whether the last states are the initial states of the next batch.
        unroll: Whether to unroll the loop; it needs a known number of time steps.
        zero_output_for_mask: Whether the output of a masked step is zeros, and not that of the
            step before.
        activity_regularizer: Regularizer of the output.
        use_cudnn: One of `"auto"`, `True`, `False`. There is no cuDNN path here, so `True` raises
            a `ValueError` when the layer is called.
        **kwargs: Arguments of the cell, and `name`, `dtype`, `trainable`.

    Call arguments:
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: List of tensors of shape `(batch, units)`, zeros if `None`.
        mask: Boolean tensor of shape `(batch, time)`. Where it is `False`, the step is left out:
            states stay, and the output is that of the step before, or zeros if there is none.
        training: Whether dropout applies.

    Returns:
        The output, `(batch, time, units)` with `return_sequences`, otherwise `(batch, units)`;
        with `return_state` a tuple of the output and the states, each `(batch, units)`.
    """

    cell_class = None
    cell_name = None

    def __init__(
        self,
        units,
        *,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        activity_regularizer=None,
        use_cudnn="auto",
        **kwargs,
    ):
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                "Invalid value received for argument `use_cudnn`. "
                f"Expected one of 'auto', True, False. Received: use_cudnn={use_cudnn}"
            )
        of_layer = {
            key: kwargs.pop(key)
            for key in ("name", "autocast", "input_shape", "input_dim", "batch_shape")
            if key in kwargs
        }
        of_both = {key: kwargs.pop(key) for key in ("dtype", "trainable") if key in kwargs}
        super().__init__(
            self.cell_class(units, name=self.cell_name, **of_both, **kwargs),
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **of_both,
            **of_layer,
        )
        self.use_cudnn = use_cudnn
        # Which loop the last call took, `"native"` or `"keras"`; `None` before the first.
        self.last_kernel = None
        self.input_spec = keras.layers.InputSpec(ndim=3)
        # Not every version of keras.layers.RNN sets it.
        self.supports_masking = True

    units = of_cell("units")
    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")
    recurrent_weight_dropout = of_cell("recurrent_weight_dropout")

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Runs the recurrence.

        Args:
            sequences: Tensor of shape `(batch, time, features)`.
            initial_state: List of tensors of shape `(batch, units)`.
            mask: Boolean tensor of shape `(batch, time)` or `None`.
            training: Whether dropout applies.

        Returns:
            A tuple of the last output, `(batch, units)`; all outputs, `(batch, time, units)`, or
            the last output again without `return_sequences`; and the list of the last states.
        """
        if self.use_cudnn is True:
            raise ValueError(
                "use_cudnn=True was specified, but this layer has no cuDNN implementation. "
                "Pass use_cudnn='auto'."
            )
        if isinstance(mask, list | tuple):
            mask = mask[0]
        native = self._run_native(sequences, initial_state, mask, training)
        self.last_kernel = "native" if native else "keras"
        if native:
            return native
        if keras.backend.backend() != "tensorflow":
            return super().inner_loop(sequences, initial_state, mask, training)
        return time_loop.run(
            self.loop(training),
            ops.transpose(sequences, (1, 0, 2)),
            initial_state,
            mask,
            go_backwards=self.go_backwards,
            return_sequences=self.return_sequences,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    def _run_native(self, sequences, initial_state, mask, training):
        """What `inner_loop` returns, from the native kernels; `None` where they don't apply."""
        cell = self.cell
        drops_inside = training and (
            cell.recurrent_dropout or (cell.dropout and cell.drops_by_gate)
        )
        if cell.native_family is None or self.unroll or drops_inside:
            return None
        if masks := cell.dropout_masks("dropout", training):
            sequences = sequences * masks(sequences[:, 0])[0][:, None]
        return kernels.run(
            cell.native_family,
            sequences,
            initial_state,
            mask,
            kernel=cell.kernel,
            recurrent_kernel=cell.read_recurrent_kernel(training),
            bias=cell.bias,
            activation=cell.activation,
            recurrent_activation=getattr(cell, "recurrent_activation", "sigmoid"),
            go_backwards=self.go_backwards,
            return_sequences=self.return_sequences,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    def gates(self, sequences, initial_state=None, mask=None):
        """What every step computes, beside the output.

        Args:
            sequences: Tensor of shape `(batch, time, features)`.
            initial_state: List of tensors, the states before the first step. Zeros if `None`.
            mask: Boolean tensor of shape `(batch, time)` or `None`. A masked step leaves the
                states as they are, and its gates are zeros.

        Returns:
            A dict from a name of the cell's equations to a tensor `(batch, time, units)`: the
            gates and the candidate of each step, such as `"i"`, `"f"`, `"c_tilde"` and `"o"`, and
            then the states after it, such as `"h"` and `"c"`. Steps are in the order of
            `sequences`, also where the layer goes backwards.
        """
        sequences = ops.convert_to_tensor(sequences, dtype=self.compute_dtype)
        if not self.built:
            self.build(sequences.shape)
        if initial_state is None:
            initial_state = self.cell.get_initial_state(batch_size=ops.shape(sequences)[0])
        initial = [ops.convert_to_tensor(s) for s in keras.tree.flatten(initial_state)]
        if mask is None:
            mask = ops.ones(ops.shape(sequences)[:2], "bool")
        in_time = lambda x: ops.transpose(x, (1, 0, 2))
        in_order = lambda x: ops.flip(x, 0) if self.go_backwards else x
        projected = in_order(self.cell.projection()(in_time(sequences)))
        keep = in_order(in_time(ops.cast(mask, "bool")[..., None]))
        recur = self.cell.recurrent_product()

        def step(states, inputs):
            x, keep = inputs
            new_states, _ = self.cell.step(x, states, recur)
            states = [ops.where(keep, n, o) for n, o in zip(new_states, states, strict=True)]
            return states, states

        _, after = ops.scan(step, initial, (projected, keep))
        before = [
            ops.concatenate([first[None], states[:-1]], 0)
            for first, states in zip(initial, after, strict=True)
        ]
        # All steps at once, now that the states before each are known.
        _, gates = self.cell.step(projected, before, recur)
        gates = {name: ops.where(keep, gate, 0) for name, gate in gates.items()}
        gates |= zip(self.cell.state_names, after, strict=True)
        return {name: in_time(in_order(series)) for name, series in gates.items()}

    def loop(self, training=False):
        """Returns the loop of `time_loop.run`; here it takes one step of the cell after another.

        In training the inputs of all steps are projected in one product, whose gradient is one
        product too. Otherwise, on a CPU, each step projects its own: the result is used while it is
        in the cache.
        """
        cell = self.cell
        project = cell.projection(training)
        if training and not self.unroll and cell.is_differentiated:
            walk = backpropagation.loop(cell, cell.recurrent_weights(training))
        else:
            recur = cell.recurrent_product(training)
            step = lambda projected, states: cell.step(projected, states, recur)[0]
            if not training and not time_loop.on_gpu():
                step_of_input = lambda inputs, states: step(project(inputs), states)
                return time_loop.step_by_step(step_of_input, unroll=self.unroll)
            walk = time_loop.step_by_step(step, unroll=self.unroll)
        return lambda inputs, *rest: walk(project(inputs), *rest)

    def get_config(self):
        config = super().get_config()
        del config["cell"]
        return {
            **self.cell.get_config(),
            **config,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
