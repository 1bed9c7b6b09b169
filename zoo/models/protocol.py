"""The protocol of a task model, and the registry of the models that implement it.

The command line, serving, export, gates, ensembles, presets and benchmarks ask a model through
`TaskModel`, and never for its type. A new task kind implements `TaskModel` and registers its
classes with `@register`; nothing else in the zoo names it.
"""

import collections
import dataclasses
import difflib

import keras
import numpy as np

_models: dict[str, type] = {}


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

    def parse(self, value):
        """Makes a raw input of a value decoded from JSON.

        Args:
            value: str or number, or lists of them, nested as deep as this schema's rank; arrays
                stand for lists.

        Returns:
            Strings as a str or nested lists of str, numbers as a float32 array.

        Raises:
            ValueError: the value has another rank or type.
        """
        try:
            return (_strings if self.dtype == "string" else _floats)(value, self.rank)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`{self.name}` must be {self}. Received: {_short(value)}") from error

    def __str__(self):
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
    return value


def _floats(value, rank):
    if rank > 1:
        return np.stack([_floats(item, rank - 1) for item in value])
    array = np.asarray(value)
    if array.dtype == object:  # as data frames hold lists
        array = np.asarray(array.tolist())
    if array.ndim != rank or not np.issubdtype(array.dtype, np.number):
        raise TypeError
    return array.astype("float32")


def _short(value):
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


class TaskModel:
    """The interface of a task model; a mixin ahead of a `keras_hub.models.Task`.

    For `zoo.gates`, the backbone of a model names its `architecture`, and calls each recurrent
    layer with an explicit `mask`, as `recurrent_stack` does.

    Attributes:
        task_kind: str, the task kind, such as `"sentiment"`.
        ensemble_class: the class of an ensemble of these models, or None if there is none.
        output_name: str, the name of the exported network's output.
    """

    task_kind = None
    ensemble_class = None
    output_name = "outputs"

    # Raw input

    @property
    def input_schema(self):
        """The `InputSchema` of one raw input."""
        raise NotImplementedError

    def read_input(self, argument):
        """Reads one raw input from an argument of the command line: a text, or a file's path.

        Raises:
            OSError: the file can't be read.
            ValueError: the argument is no input of this model.
        """
        raise NotImplementedError

    # Answers

    def answers(self, inputs):
        """Predictions as JSON-ready dicts.

        Args:
            inputs: list of raw inputs.

        Returns:
            A list of dicts, in the order of `inputs`.
        """
        raise NotImplementedError

    def answer_text(self, answer):
        """One answer, an element of `answers`, as a line of text."""
        raise NotImplementedError

    def stream(self, input, max_length=None, sampler=None, temperature=1.0, seed=None):
        """Yields the continuation of one raw input, a str, piece by piece; see `CausalTask`.

        Raises:
            ValueError: models of this kind don't continue text.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't continue text.")

    def conversation(self, sampler=None, temperature=1.0, seed=None):
        """A conversation with the model, whose states are kept between turns; see `DialogueModel`.

        Raises:
            ValueError: models of this kind don't converse.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't converse.")

    def transcribe(self, inputs):
        """The texts of sounds, a list of raw inputs; see `SpeechRecognizer`.

        Raises:
            ValueError: models of this kind don't transcribe sound.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't transcribe sound.")

    def transcription(self):
        """A transcription of sound that comes piece by piece; see `Transcription`.

        Raises:
            ValueError: models of this kind don't transcribe sound, or this one needs all of it.
        """
        raise ValueError(f"A model of the kind {self.task_kind} doesn't transcribe sound.")

    # Export

    @property
    def default_length(self):
        """Time steps of an exported network's input in a format that fixes them."""
        return 128

    def export_obstacle(self, format):
        """Why this model can't be exported in a format, a str; None if it can."""

    def export_network(self):
        """The network to export, a `keras.Model` of the preprocessor's output."""
        return keras.Model(self.input, self.output)

    # Gates

    @property
    def members(self):
        """The models that hold the recurrent layers: an ensemble's members, else the model."""
        # Keras' saving descends into every list it finds, here into this model again without end.
        return collections.UserList([self])

    def gate_inputs(self, input):
        """The backbone's inputs for one raw input: a dict of arrays with a batch of one."""
        return self.preprocessor([input])

    def step_labels(self, inputs, mask_name, count):
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

    def member_output(self):
        """The symbolic output that an ensemble averages over its members."""
        return self.output

    def shared_by_members(self):
        """What members of an ensemble must agree on: a dict from its name to its value."""
        return {}

    def ensemble_options(self):
        """Arguments of `ensemble_class` besides its backbone and preprocessor."""
        return {}

    # Weights of a preset

    def save_task_weights(self, filepath):
        """Saves the weights outside the backbone, without the optimizer's."""
        keras.saving.save_weights(self, filepath, objects_to_skip=self._not_task_weights())

    def load_task_weights(self, filepath):
        """Loads what `save_task_weights` saved."""
        keras.saving.load_weights(self, filepath, objects_to_skip=self._not_task_weights())

    def _not_task_weights(self):
        return [*self.backbone._flatten_layers(), self.optimizer]


def register(cls):
    """Class decorator: registers a `TaskModel` with Keras and the zoo, under the class' name.

    Raises:
        ValueError: another class has the name.
    """
    known = _models.get(cls.__name__)
    if known is not None and known.__module__ != cls.__module__:
        raise ValueError(f"A model {cls.__name__!r} is already registered: {known}")
    _models[cls.__name__] = keras.saving.register_keras_serializable(package="zoo")(cls)
    return cls


def registered():
    """All registered classes, as a dict from name to class."""
    return dict(_models)


def get(name):
    """The registered class of that name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name not in _models:
        near = difflib.get_close_matches(str(name), _models, n=1, cutoff=0)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"The zoo has no model {name!r}.{hint} Known: {', '.join(_models)}.")
    return _models[name]
