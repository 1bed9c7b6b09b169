"""The protocol of a task model, and the registry of the models that implement it.

The command line, serving, export, gates, ensembles, presets and benchmarks use a model only through
`TaskModel` and never check its type. A new task kind implements `TaskModel` and registers its
classes with `@register`; nothing else in the zoo names it.
"""

import collections
import dataclasses
import difflib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from zoo.models import training_data
from zoo.typing import Tensor

if TYPE_CHECKING:  # what `TaskModel` is mixed into, whose attributes it then has
    from keras_hub.models import Task
else:
    Task = object

# A sampler of generated text, or its name.
Sampler: TypeAlias = (
    Literal["greedy", "random", "top_k", "top_p", "beam", "contrastive"]
    | keras_hub.samplers.Sampler
)

_models: dict[str, type["TaskModel"]] = {}


class InputError(ValueError):
    """A model doesn't take a raw input; the message says why."""

    # So Keras passes it on. It would bury the message among the arguments of the failing call.
    _keras_call_info_injected = True


@dataclasses.dataclass(frozen=True)
class InputSchema:
    """The type of one raw input, as served models declare it.

    Attributes:
        name: the name of the input, such as `"text"` or `"audio"`.
        dtype: `"string"` or `"float32"`.
        rank: number of dimensions: 0 for a text, 1 for a waveform `[samples]`, 2 for frames
            `[time, features]`.
    """

    name: str
    dtype: str
    rank: int = 0

    def parse(self, value: Any) -> Any:
        """Converts a value decoded from JSON to a raw input.

        Args:
            value: str or number, or lists of them, nested as deep as this schema's rank; arrays
                count as lists.

        Returns:
            Strings as a str or nested lists of str, numbers as a float32 array.

        Raises:
            InputError: the value has the wrong rank or type.
        """
        try:
            return (_strings if self.dtype == "string" else _floats)(value, self.rank)
        except UnicodeEncodeError as error:  # half of a surrogate pair
            raise InputError(f"`{self.name}` must be UTF-8. Received: {_short(value)}") from error
        except (TypeError, ValueError) as error:
            raise InputError(f"`{self.name}` must be {self}. Received: {_short(value)}") from error

    def parse_all(self, values: Any) -> list[Any]:
        """Raw inputs as a list.

        Args:
            values: a list, a tuple, an array or a tensor of raw inputs, which may be ragged; or a
                `tf.data.Dataset` of raw inputs or of batches of them.

        Returns:
            A list of strings as `parse` returns them, or of arrays with their original dtype.

        Raises:
            InputError: a raw input has the wrong rank or type.
        """
        if isinstance(values, tf.data.Dataset):
            return [one for batch in values for one in self.parse_all(batch)]
        if isinstance(values, tf.RaggedTensor):
            values = values.to_list() if values.dtype == tf.string else list(values)
        is_array = isinstance(values, np.ndarray) and values.dtype != object
        if keras.ops.is_tensor(values) or isinstance(values, tf.Tensor) or is_array:
            values = np.asarray(values)
            values = values[None] if values.ndim == self.rank else values
        if not isinstance(values, (list, tuple)) and not np.ndim(values):
            raise InputError(
                f"Raw inputs must be in a list, an array or a tensor. Received: {_short(values)}"
            )
        if self.dtype == "string":
            return [self.parse(_decoded(one)) for one in values]
        return [_array(one) for one in values if self.parse(one) is not None]

    def __str__(self) -> str:
        item = "str" if self.dtype == "string" else "float"
        if not self.rank:
            return f"a {item}"
        return " of ".join(["a list", *["lists"] * (self.rank - 1), item])


def _strings(value, rank):
    if rank:
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise TypeError
        return [_strings(item, rank - 1) for item in value]
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def _floats(value, rank):
    is_array = isinstance(value, np.ndarray) and value.dtype != object
    if rank > 1 and not is_array:
        return np.stack([_floats(item, rank - 1) for item in value])
    array = np.asarray(value)
    if array.dtype == object:  # as data frames hold lists
        array = np.asarray(array.tolist())
    if array.ndim != rank or not np.issubdtype(array.dtype, np.number):
        raise TypeError
    if np.issubdtype(array.dtype, np.complexfloating):
        raise TypeError
    with np.errstate(over="ignore"):  # becomes infinite, which models reject
        return array.astype("float32")


def _array(value):
    array = np.asarray(value)
    return np.asarray(array.tolist()) if array.dtype == object else array


def _decoded(value):
    """A value of a tensor of strings, which holds bytes, with str in their place."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [_decoded(item) for item in value] if isinstance(value, (list, tuple)) else value


def _short(value):
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


class TaskModel(Task):
    """The interface of a task model; a mixin before a `keras_hub.models.Task`.

    For `zoo.gates`, the backbone of a model names its `architecture`, and calls each recurrent
    layer with an explicit `mask`, as `recurrent_stack` does.

    Attributes:
        task_kind: str, the task kind, such as `"sentiment"`.
        ensemble_class: the class of an ensemble of these models, or None if there is none.
        combination: str, how an ensemble combines its members' outputs: `"mean"` or `"median"`.
        output_name: str, the name of the exported network's output.
    """

    task_kind: str | None = None
    ensemble_class: "type[TaskModel] | None" = None
    backbone: keras_hub.models.Backbone
    preprocessor: keras_hub.models.Preprocessor
    combination = "mean"
    output_name = "outputs"

    # Raw input

    @property
    def input_schema(self) -> InputSchema:
        """The `InputSchema` of one raw input."""
        raise NotImplementedError

    def read_input(self, argument: str) -> Any:
        """Reads one raw input from an argument of the command line: a text, or a file's path.

        Raises:
            OSError: the file can't be read.
            ValueError: the argument isn't an input of this model.
        """
        raise NotImplementedError

    # Training

    def training_inputs(self, x: Any) -> Any:
        """Raw inputs as `fit` and `evaluate` of KerasHub take them; anything else as it is.

        Args:
            x: a list, a tuple, an array or a tensor of raw inputs; or a dataset.

        Returns:
            A list of str, or a ragged tensor of numbers.

        Raises:
            InputError: a raw input isn't of the type that the model takes.
        """
        is_tensor = keras.ops.is_tensor(x) or isinstance(x, (tf.Tensor, tf.RaggedTensor))
        if not is_tensor and not isinstance(x, (list, tuple, np.ndarray)):
            return x
        inputs = self.input_schema.parse_all(x)
        if self.input_schema.dtype == "string" or not inputs:
            return inputs
        lengths = [len(one) for one in inputs]
        return tf.RaggedTensor.from_row_lengths(np.concatenate(inputs), lengths)

    # Otherwise TensorFlow would report errors as those of "user code" that it has converted.
    @tf.autograph.experimental.do_not_convert
    def preprocess_samples(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """As `keras_hub.models.Task.preprocess_samples`."""
        return super().preprocess_samples(x, y, sample_weight)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        validation_data: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """As `keras_hub.models.Task.fit`; raw inputs may be of different lengths, and examples in
        memory are shuffled before each epoch unless `shuffle=False`."""
        if self.preprocessor is not None:
            x = self.training_inputs(x)
            if isinstance(validation_data, tuple):
                validation_data = (self.training_inputs(validation_data[0]), *validation_data[1:])
        if not training_data.is_in_memory(x):
            return super().fit(x, y, batch_size, sample_weight, validation_data, **kwargs)
        columns = (x, y, sample_weight)
        fraction = kwargs.pop("validation_split", None)
        if fraction and validation_data is None:
            columns, validation_data = training_data.split_off_end(columns, fraction)
        if isinstance(validation_data, tuple):
            held_out = keras.utils.unpack_x_y_sample_weight(validation_data)
            validation_data = training_data.batches(held_out, batch_size)
        examples = training_data.batches(columns, batch_size, kwargs.pop("shuffle", True))
        return super().fit(examples, validation_data=validation_data, shuffle=False, **kwargs)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> float | list[float] | dict[str, float]:
        """As `keras_hub.models.Task.evaluate`; raw inputs may be of different lengths."""
        is_prepared = kwargs.get("_use_cached_eval_dataset", False)  # by `fit`
        if self.preprocessor is not None and not is_prepared:
            x = self.training_inputs(x)
        return super().evaluate(x, y, batch_size, sample_weight, **kwargs)

    # Prediction

    def predict_on_batch(self, x: Any, **kwargs: Any) -> Any:
        """As `keras_hub.models.Task.predict_on_batch`, at the same small cost for every shape.

        For each new shape, TensorFlow searches all earlier ones for a match, which takes longer
        than a small network. So a single function for all shapes is requested.
        """
        if keras.backend.backend() != "tensorflow" or self.run_eagerly:
            return super().predict_on_batch(x, **kwargs)
        x, _, _ = keras.utils.unpack_x_y_sample_weight(self.preprocess_samples(x))
        keras.tree.assert_same_structure(x, self.input)
        inputs = keras.tree.map_structure(
            lambda t, v: tf.convert_to_tensor(v, t.dtype), self.input, x
        )
        any_shape = keras.tree.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), self.input)
        self.make_predict_function()
        function = self.predict_function.get_concrete_function([(any_shape,)])
        return keras.tree.map_structure(keras.ops.convert_to_numpy, function([(inputs,)]))

    # Answers

    def answers(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """Predictions as JSON-ready dicts.

        Args:
            inputs: list of raw inputs.

        Returns:
            A list of dicts, in the order of `inputs`.
        """
        raise NotImplementedError

    def answer_text(self, answer: dict[str, Any]) -> str:
        """One answer, an element of `answers`, as a line of text."""
        raise NotImplementedError

    def stream(
        self,
        input: Any,
        max_length: int | None = None,
        sampler: Sampler | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Yields the continuation of one raw input, a str, piece by piece; see `CausalTask`.

        Raises:
            ValueError: models of this kind don't continue text.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't continue text.")

    def conversation(
        self, sampler: Sampler | None = None, temperature: float = 1.0, seed: int | None = None
    ) -> Any:
        """A conversation with the model, whose states are kept between turns; see `DialogueModel`.

        Raises:
            ValueError: models of this kind don't converse.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't converse.")

    def forecast_file(
        self, path: str, horizon: int | None = None, quantiles: Sequence[float] | None = None
    ) -> Any:
        """The `Forecasts` of the series in a CSV file; see `ForecastingTask`.

        Raises:
            ValueError: models of this kind don't forecast.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't forecast.")

    def transcribe(self, inputs: Iterable[Any]) -> list[str]:
        """The texts of sounds, a list of raw inputs; see `SpeechRecognizer`.

        Raises:
            ValueError: models of this kind don't transcribe sound.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't transcribe sound.")

    # Streams

    def stream_obstacle(self) -> str | None:
        """Why this model can't read its input piece by piece, a str; None if it can."""
        return f"A model of the kind {self.task_kind} can't read its input piece by piece."

    def open_stream(self) -> Any:
        """A new stream, a `zoo.models.streams.Stream`, if there is no `stream_obstacle`; see
        `zoo.stream`."""
        raise NotImplementedError

    # Export

    @property
    def default_length(self) -> int:
        """Time steps of an exported network's input in a format that fixes them."""
        return 128

    def export_obstacle(self, format: str) -> str | None:
        """Why this model can't be exported in a format, a str; None if it can."""

    def export_network(self) -> keras.Model:
        """The network to export, a `keras.Model` of the preprocessor's output."""
        return keras.Model(self.input, self.output)

    # Gates

    @property
    def members(self) -> Sequence["TaskModel"]:
        """The models that hold the recurrent layers: an ensemble's members, else the model."""
        # Keras' saving descends into every list it finds, and would recurse into this model
        # forever.
        return collections.UserList([self])

    def gate_inputs(self, input: Any) -> dict[str, Tensor]:
        """The backbone's inputs for one raw input: a dict of arrays with a batch of one."""
        return self.preprocessor([input])

    def step_labels(self, inputs: dict[str, Tensor], mask_name: str, count: int) -> list[str]:
        """Labels of a recurrent layer's steps, such as subwords.

        Args:
            inputs: the dict that `gate_inputs` returned.
            mask_name: str, the name of the mask passed to the layer.
            count: int, the number of steps.

        Returns:
            A list of `count` str; by default the index of each step.
        """
        return [str(step) for step in range(count)]

    # Ensembles

    def member_output(self) -> Tensor:
        """The symbolic output that an ensemble combines over its members."""
        return self.output

    def shared_by_members(self) -> dict[str, Any]:
        """What members of an ensemble must agree on: a dict from names to values."""
        return {}

    def ensemble_options(self) -> dict[str, Any]:
        """Arguments of `ensemble_class` besides its backbone and preprocessor."""
        return {}

    # Quantization

    def quantize(
        self,
        mode: str | None = None,
        config: keras.quantizers.QuantizationConfig | None = None,
        filters: Any = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.quantize`, for the layers of the backbone, or of each member's.

        The layers after a backbone keep their data type, which is float32, and those without
        weights to quantize are left out without a warning.
        """
        for member in self.members:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*does not have a `quantize` method")
                member.backbone.quantize(mode, config=config, filters=filters, **kwargs)
        self._post_quantize(mode, **kwargs)

    def _post_quantize(self, mode, **kwargs):
        super()._post_quantize(mode, **kwargs)
        for layer in self._flatten_layers():
            if isinstance(layer, keras.Model):
                layer.train_function = layer.test_function = layer.predict_function = None

    # Presets

    @classmethod
    def preset_classes(cls) -> list[type]:
        """The classes that the JSON files of a preset of this model may name, a list."""
        named = [cls, cls.backbone_cls, cls.preprocessor_cls]
        named.append(getattr(cls.preprocessor_cls, "tokenizer_cls", None))
        return [one for one in named if one is not None]

    def save_task_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Saves the weights outside the backbone, without the optimizer's."""
        keras.saving.save_weights(self, filepath, objects_to_skip=self._not_task_weights())

    def load_task_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Loads what `save_task_weights` saved."""
        keras.saving.load_weights(self, filepath, objects_to_skip=self._not_task_weights())

    def _not_task_weights(self):
        return [*self.backbone._flatten_layers(), self.optimizer]


TaskClass = TypeVar("TaskClass", bound=type[TaskModel])


def register(cls: TaskClass) -> TaskClass:
    """Class decorator: registers a `TaskModel` with Keras and the zoo, under the class' name.

    Raises:
        ValueError: another class has the name.
    """
    known = _models.get(cls.__name__)
    if known is not None and known.__module__ != cls.__module__:
        raise ValueError(f"A model {cls.__name__!r} is already registered: {known}")
    _models[cls.__name__] = keras.saving.register_keras_serializable(package="zoo")(cls)
    return cls


def registered() -> dict[str, type[TaskModel]]:
    """All registered classes, as a dict from name to class."""
    return dict(_models)


def get(name: str) -> type[TaskModel]:
    """The registered class of that name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name not in _models:
        near = difflib.get_close_matches(str(name), _models, n=1, cutoff=0)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"The zoo has no model {name!r}.{hint} Known: {', '.join(_models)}.")
    return _models[name]
