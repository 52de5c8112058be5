"""The config: checked against its schema, with messages for people, and completed with its defaults."""

import itertools
import math
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from handgrad.errors import ConfigError

HYPERPARAMETERS = ("lr", "weight_decay", "momentum")
TYPE_NAMES = {"object": "keys with values", "array": "a list", "string": "text", "null": "null"}


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON schema in the YAML file at `path`."""
    schema: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return schema


def validated(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A copy of `config` with every default filled in and every number of the type that the schema names.

    Raises:
        ConfigError: with one line for each key that is not allowed: the key, its value, what is expected.
    """
    not_finite = [
        f"{name} is {value}; expected a finite number" for name, value in _leaves(config) if _infinite(value)
    ]
    errors = sorted(
        Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path))
    )
    problems = not_finite + [_message(error, schema) for error in errors]
    if not problems:
        config = _completed(config, schema, schema)
        problems = _contradictions(config)
    if problems:
        raise ConfigError("config: " + "\nconfig: ".join(problems))
    return config


def combinations(config: dict[str, Any]) -> list[dict[str, float]]:
    """Every combination of hyperparameters of a validated config: those listed, then the grid's product."""
    grid = config.get("grid", {})
    product = itertools.product(*(grid.get(name, []) for name in HYPERPARAMETERS))
    return config["hyperparameters"] + [dict(zip(HYPERPARAMETERS, values, strict=True)) for values in product]


def _leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Every scalar of a config with its dotted name."""
    if isinstance(value, dict):
        return [
            leaf
            for key, item in value.items()
            for leaf in _leaves(item, f"{name}.{key}" if name else str(key))
        ]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(item, f"{name}[{index}]")]
    return [(name, value)]


def _infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _name(error: ValidationError) -> str:
    """The dotted name of the place of an error, as `hyperparameters[0].lr`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return "".join(parts).lstrip(".")


def _message(error: ValidationError, schema: dict[str, Any]) -> str:
    name = _name(error)
    part: Any = error.schema
    value: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(part["properties"])
        unknown = sorted((str(key) for key in value if key not in known), key=str)
        return "; ".join(_unknown_key(name, key, known, schema) for key in unknown)
    if error.validator == "required":
        lacking = ", ".join(key for key in part["required"] if key not in value)
        return f"{name} lacks {lacking}; expected the keys {', '.join(part['required'])}"
    if error.validator == "uniqueItems":
        return f"{name} is {value}; expected no value twice"
    message = f"{name or 'the file'} is {_shown(value)}; expected {_expected(part, schema)}"
    if isinstance(value, str) and part.get("type") in ("number", "integer") and _is_number(value):
        message += f" (YAML takes {value} for text: write {float(value)!r})"
    if "enum" in part and (close := get_close_matches(str(value), map(str, part["enum"]), 1)):
        message += f" (did you mean {close[0]}?)"
    return message


def _unknown_key(section: str, key: str, known: list[str], schema: dict[str, Any]) -> str:
    """That `key` is unknown in `section`, with the section where it belongs, or the nearest known key."""
    homes = [name for name, part in schema["properties"].items() if key in part.get("properties", {})]
    if homes:
        hint = f"it belongs under {homes[0]}"
    elif close := get_close_matches(key, known, 1):
        hint = f"did you mean {close[0]}?"
    else:
        hint = f"known keys: {', '.join(known)}"
    return f"{section}.{key} is not a known key ({hint})".lstrip(".")


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _is_number(text: str) -> bool:
    """Whether text such as 1e-3, which YAML does not take for a number, is one."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _expected(part: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a part of the schema allows, in words."""
    if "enum" in part:
        return "one of " + ", ".join(map(str, part["enum"]))
    if part.get("type") in ("number", "integer"):
        bounds = [
            text.format(part[key])
            for key, text in (
                ("minimum", "at least {}"),
                ("exclusiveMinimum", "above {}"),
                ("maximum", "at most {}"),
                ("exclusiveMaximum", "below {}"),
            )
            if key in part
        ]
        kind = "a whole number" if part["type"] == "integer" else "a number"
        return f"{kind}, {', '.join(bounds)}".rstrip(", ")
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    words = " or ".join(TYPE_NAMES[name] for name in types)
    if "pattern" in part:
        words += f" that matches {part['pattern']}"
    if "minItems" in part:
        words += f" of at least {part['minItems']}" + (
            f", at most {part['maxItems']}" if "maxItems" in part else ""
        )
    if "minLength" in part:
        words += " that is not empty" + (
            f", at most {part['maxLength']} characters" if "maxLength" in part else ""
        )
    if "array" in types:
        words += f" of values each {_expected(_resolved(part['items'], schema), schema)}"
    return words


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """`part`, or the definition that its $ref names, with what stands beside the $ref."""
    if "$ref" not in part:
        return part
    definition: dict[str, Any] = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
    return definition | {key: value for key, value in part.items() if key != "$ref"}


def _completed(value: Any, part: dict[str, Any], schema: dict[str, Any]) -> Any:
    """`value` with the defaults of the schema, and with numbers of the type that it asks for."""
    part = _resolved(part, schema)
    if part.get("type") == "object":
        defaults = {
            key: resolved["default"]
            for key, item in part["properties"].items()
            if "default" in (resolved := _resolved(item, schema))
        }
        return {
            key: _completed((defaults | value)[key], item, schema)
            for key, item in part["properties"].items()
            if key in defaults | value
        }
    if part.get("type") == "array":
        return [_completed(item, part["items"], schema) for item in value]
    if part.get("type") == "integer":
        return int(value)
    if part.get("type") == "number":
        return float(value)
    return value


def _contradictions(config: dict[str, Any]) -> list[str]:
    """What a schema cannot say: keys that exclude or need each other."""
    problems = []
    data = config["data"]
    runs = combinations(config)
    if not runs:
        problems.append("hyperparameters is empty; expected at least one combination, there or in grid")
    counts = Counter(tuple(run[name] for name in HYPERPARAMETERS) for run in runs)
    for values in (values for values, count in counts.items() if count > 1):
        named = ", ".join(f"{name} {value}" for name, value in zip(HYPERPARAMETERS, values, strict=True))
        problems.append(f"hyperparameters and grid have the combination {named} twice; expected each once")
    if data["source"] == "archive" and data["archive"] is None:
        problems.append("data.archive is null; expected the path of an archive, since data.source is archive")
    if data["source"] == "download" and not data["mirrors"]:
        problems.append("data.mirrors is empty; expected at least one URL, since data.source is download")
    if data["source"] == "synthetic" and (extra := set(data["classes"]) - {"airplane", "bird"}):
        problems.append(
            f"data.classes has {', '.join(sorted(extra))}; expected airplane and bird only, "
            "since data.source synthetic draws no others"
        )
    return problems
