"""Check JSON against the TypedDict that declares it."""

from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


def departures(value: Any, declared: Any, name: str = "the file") -> Iterator[str]:
    """One line for each place where `value`, read from JSON, does not have the declared type."""
    origin, arguments = get_origin(declared), get_args(declared)
    if declared is Any:
        return
    if is_typeddict(declared):
        yield from _of_mapping(value, declared, name)
    elif origin is NotRequired:
        yield from departures(value, arguments[0], name)
    elif origin in (Union, UnionType):
        if all(list(departures(value, one, name)) for one in arguments):
            yield f"{name} is {value!r}; declared {declared}"
    elif origin is Literal:
        if value not in arguments:
            yield f"{name} is {value!r}; declared {declared}"
    elif origin in (list, tuple, Sequence) and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from departures(item, arguments[0], f"{name}[{index}]")
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from departures(item, arguments[1], f"{name}.{key}")
    elif type(value) is not (NoneType if declared is None else declared) and not (
        declared is float and type(value) is int
    ):
        yield f"{name} is {value!r}; declared {declared}"


def _of_mapping(value: Any, declared: Any, name: str) -> Iterator[str]:
    hints = get_type_hints(declared)
    if not isinstance(value, dict):
        yield f"{name} is {value!r}; declared {declared}"
        return
    yield from (f"{name} has the undeclared key {key}" for key in value.keys() - hints.keys())
    yield from (f"{name} lacks {key}" for key in declared.__required_keys__ - value.keys())
    for key in value.keys() & hints.keys():
        yield from departures(value[key], hints[key], f"{name}.{key}")
