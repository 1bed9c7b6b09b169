"""Annotations: whoever installs the zoo gets its types, of all that is public."""

import functools
import inspect
from importlib import resources
from types import ModuleType

import pytest

import zoo
import zoo.datasets


def functions(value):
    """A dict from the full name of each public function of a public name to the function.

    A class has those that it and its bases in the zoo define, a module its public functions and
    classes.
    """
    if inspect.isfunction(value):
        return {f"{value.__module__}.{value.__qualname__}": value}
    if isinstance(value, ModuleType):
        own = {one for one in vars(value).values() if is_of(value, one)}
        return {name: one for part in own for name, one in functions(part).items()}
    return {
        f"{cls.__module__}.{cls.__qualname__}.{name}{suffix}": function
        for cls in value.__mro__
        if cls.__module__.startswith("zoo.")
        for name, member in vars(cls).items()
        if name == "__init__" or not name.startswith("_")
        for suffix, function in parts(member).items()
    }


def is_of(module, value):
    """Whether a module defines a public function or class."""
    is_known = inspect.isfunction(value) or inspect.isclass(value)
    return is_known and value.__module__ == module.__name__ and not value.__name__.startswith("_")


def parts(member):
    """The functions behind an attribute of a class, of a property its getter and its setter."""
    if isinstance(member, property):
        found = {"": member.fget, " (setter)": member.fset}
    elif isinstance(member, functools.cached_property):
        found = {"": member.func}
    else:
        found = {"": getattr(member, "__func__", member)}
    return {suffix: part for suffix, part in found.items() if inspect.isfunction(part)}


def missing(function):
    """What of a function lacks an annotation: names of parameters, and `return`."""
    signature = inspect.signature(function)
    found = [
        parameter.name
        for index, parameter in enumerate(signature.parameters.values())
        if parameter.annotation is parameter.empty
        and not (index == 0 and parameter.name in ("self", "cls"))
    ]
    return found + ["return"] * (signature.return_annotation is signature.empty)


@pytest.mark.parametrize("module", [zoo, zoo.layers, zoo.models, zoo.datasets], ids=str)
def test_public_functions_and_methods_have_annotations(module):
    public = [functions(getattr(module, name)) for name in module.__all__]
    lacking = {
        name: missing(function)
        for found in public
        for name, function in found.items()
        if missing(function)
    }
    assert any(public)
    assert lacking == {}


def test_a_missing_annotation_is_found():
    class Half:
        def __init__(self, units: int):
            pass

        def whole(self, x: float) -> float:
            return x

        @property
        def size(self):
            return 1

        @classmethod
        def made(cls, units) -> "Half":
            return cls(units)

    Half.__module__ = "zoo.half"
    found = {name.split(".")[-1]: missing(one) for name, one in functions(Half).items()}
    assert found == {"__init__": ["return"], "whole": [], "size": ["return"], "made": ["units"]}


def test_type_checkers_are_told_of_the_annotations():
    assert resources.files(zoo).joinpath("py.typed").is_file()
