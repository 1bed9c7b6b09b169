"""Suite files: reads YAML and resolves `based_on`, the only kind of inheritance."""

from pathlib import Path

import yaml

from benchmarks.config.errors import ConfigError, unknown

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
    if not path.is_file():
        raise ConfigError(unknown("suite", suite, suites()))
    if path.resolve() in _seen:
        raise ConfigError(f"{path.name}: `based_on` is circular. Remove one of the references.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name}: expected keys and values. Received: {content!r}")
    base = content.pop("based_on", None)
    if base is not None:
        base = str(base)
        if base.endswith((".yaml", ".yml")):
            base = str(path.parent / base)
        content = _merged(read(base, (*_seen, path.resolve()))[1], content)
    if isinstance(content.get("tasks"), dict):
        tasks = content["tasks"]
        content["tasks"] = {name: _entry(tasks, name, path.name) for name in tasks}
    return path, content


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
    inherited = {"task": base, **_entry(tasks, base, where, (*seen, name))}
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
