"""Suite files: reads YAML and resolves `based_on`, the only kind of inheritance."""

from pathlib import Path

import yaml

from benchmarks.config.errors import ConfigError, short, unknown

LARGEST = 20_000  # values in a suite
DEEPEST = 20
SUITES = Path(__file__).parent.parent / "suites"


def suites():
    """The names of the suites in `benchmarks/suites`, sorted."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def read(suite, _seen=()):
    """Reads a suite file.

    At the top level of a file, `based_on` names another suite, or a file by its path from there; in
    an entry of `tasks`, it names another entry of the same suite. Mappings are merged key by key at
    every level; lists are replaced whole.

    Args:
        suite: str, a name of `suites()`, or the path of a YAML file.

    Returns:
        `(path, content)`: the `Path` of the file, and a dict with inheritance resolved.

    Raises:
        ConfigError: for an unknown suite or entry, invalid YAML, or circular inheritance.
    """
    path = Path(suite) if suite.endswith((".yaml", ".yml")) else SUITES / f"{suite}.yaml"
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # such as a name that is too long
        is_file = False
    if not is_file:
        raise ConfigError(unknown("suite", suite, suites()))
    if path.resolve() in _seen:
        raise ConfigError(f"{path.name}: `based_on` is circular. Remove one of the references.")
    content = _parsed(path)
    base = content.pop("based_on", None)
    if base is not None:
        if not isinstance(base, str):
            raise ConfigError(
                f"{path.name}: `based_on` must be the name of a suite or the path of a file. "
                f"Received: {short(base)}"
            )
        if base.endswith((".yaml", ".yml")):
            base = str(path.parent / base)
        content = _merged(read(base, (*_seen, path.resolve()))[1], content)
    if isinstance(content.get("tasks"), dict):
        tasks = content["tasks"]
        content["tasks"] = {name: _entry(tasks, name, path.name) for name in tasks}
    return path, content


def _parsed(path):
    """The mapping in a YAML file.

    Raises:
        ConfigError: the file isn't UTF-8 or valid YAML, repeats a key, holds no mapping, or is
            larger than a suite.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        _check_depth(text)
        content = yaml.load(text, _Loader)
        size = _size(content, {})
    # Besides its own errors, YAML raises ValueError for numbers and dates that don't exist.
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name}: expected keys and values. Received: {short(content)}")
    if size > LARGEST:
        raise ConfigError(
            f"{path.name}: {size:,} values, with references followed, are too many for a suite."
        )
    return content


def _check_depth(text):
    """Raises ValueError for deep nesting, before YAML would spend seconds on it."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")


class _Loader(yaml.SafeLoader):
    """A safe loader that rejects repeated keys, of which YAML would use the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is repeated", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _size(content, known):
    """The number of values in nested lists and dicts, counting those of references each time."""
    if not isinstance(content, list | dict):
        return 1
    if id(content) in known:
        if known[id(content)] is None:
            raise ValueError("a reference contains itself")
        return known[id(content)]
    known[id(content)] = None
    inner = content.values() if isinstance(content, dict) else content
    known[id(content)] = 1 + sum(_size(value, known) for value in inner)
    return known[id(content)]


def _entry(tasks, name, where, seen=()):
    """An entry of `tasks` with inheritance resolved."""
    entry = tasks[name]
    if not isinstance(entry, dict) or "based_on" not in entry:
        return entry
    base = entry["based_on"]
    if not isinstance(base, str) or base not in tasks:
        raise ConfigError(f"{where}, {name}: {unknown('entry', base, tasks)}")
    if base in (name, *seen):
        raise ConfigError(f"{where}, {name}: `based_on` is circular. Remove one of the references.")
    of_base = _entry(tasks, base, where, (*seen, name))
    if not isinstance(of_base, dict):
        raise ConfigError(f"{where}, {base}: expected keys and values. Received: {short(of_base)}")
    inherited = {"task": base, **of_base}
    changes = {key: value for key, value in entry.items() if key != "based_on"}
    return _merged(inherited, changes)


def _merged(base, changes):
    """Merges two mappings recursively; `changes` take precedence."""
    merged = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value
    return merged
