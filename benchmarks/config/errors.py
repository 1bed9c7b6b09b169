"""Configuration errors: messages that name the wrong key and the nearest valid one."""

import difflib

import pydantic


class ConfigError(ValueError):
    """A suite, or what was chosen from it, can't be run. The message says what to change."""


def validate(cls, content, where):
    """Validates a mapping against a pydantic model.

    Args:
        cls: the model's class.
        content: the value from the file.
        where: str, the place in the file, which begins each message.

    Returns:
        An instance of `cls`.

    Raises:
        ConfigError: if the content is invalid, with one line for each invalid or unknown key.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected keys and values. Received: {short(content)}")
    try:
        return cls.model_validate(content)
    except pydantic.ValidationError as error:
        lines = [f"{where}: {_explained(cls, detail)}" for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from error


def unknown(kind, received, known, compared=None):
    """The error message for an unknown name, with the nearest known name and all known ones.

    Args:
        kind: str, what is named, such as `"task"`.
        received: str, the name as the message shows it.
        known: iterable of str.
        compared: str or None, the part of the name to compare with the known ones; by default the
            whole name.
    """
    known = list(known)
    near = difflib.get_close_matches(str(compared or received)[:200], known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {kind} {short(received)}.{hint} Known: {', '.join(known)}."


def short(value):
    """The repr of a value from a file, truncated for use in a message."""
    try:
        text = repr(value)
    except ValueError:  # of a number with thousands of digits
        return f"a {type(value).__name__} too long to print"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _explained(cls, detail):
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] != "extra_forbidden":
        prefix = f"{place}: " if place else ""  # a check across several keys has no location
        return f"{prefix}{detail['msg']}. Received: {short(detail['input'])}"
    *parents, key = detail["loc"]
    return unknown("key", place, _model_at(cls, parents).model_fields, str(key))


def _model_at(cls, parents):
    """The pydantic model at the nested keys `parents`."""
    for parent in parents:
        field = cls.model_fields.get(parent)
        inner = field.annotation if field else cls
        arguments = [inner, *getattr(inner, "__args__", ())]
        models = [a for a in arguments if isinstance(a, type) and issubclass(a, pydantic.BaseModel)]
        cls = models[0] if models else cls
    return cls
