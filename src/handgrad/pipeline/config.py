"""The config: checked against its schema, with messages for people, and completed with its defaults."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from handgrad.errors import ConfigError
from handgrad.hyperparameters import HYPERPARAMETERS, Combination

MOST_VALUES = 1_000_000
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
LENGTHS = {"minItems": "at least", "maxItems": "at most"}


class _StrictLoader(yaml.SafeLoader):
    """Reads plain YAML in which no key stands twice: other readers silently take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"{key.value} is given a second time; expected each key once"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def check_syntax(path: Path) -> None:
    """Check that the file at `path`, if there is one, is a mapping in YAML in which no key stands twice.

    Raises:
        ConfigError: with the line, where it is known, and what is wrong in it.
    """
    if not path.exists():
        return
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        found = "empty" if content is None else _shown(content)
        raise ConfigError(f"{path} is {found}; expected keys and values, such as seed: 256")


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON schema in the YAML file at `path`, with what `handgrad.hyperparameters` declares filled in."""
    schema: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    parts = schema["properties"]
    values = {name: parameter.schema for name, parameter in HYPERPARAMETERS.items()}
    lists = {
        name: {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}
        for name, value in values.items()
    }
    parts["hyperparameters"]["items"]["properties"] = values
    parts["grid"]["properties"] = lists
    for section in ("training", "model"):
        common = {
            name: values[name] | {"default": _as_json(parameter.default)}
            for name, parameter in HYPERPARAMETERS.items()
            if parameter.section == section
        }
        parts[section]["properties"] = common | parts[section].get("properties", {})
    return schema


def validated(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A copy of `config` with every default filled in and every number of the type that the schema names.

    Raises:
        ConfigError: with one line for each key that is not allowed: the key, its value, what is expected.
    """
    try:
        leaves = list(itertools.islice(_leaves(config), MOST_VALUES + 1))
    except RecursionError:
        raise ConfigError("config: a value holds itself, or is nested too deeply") from None
    if len(leaves) > MOST_VALUES:
        raise ConfigError(f"config: more than {MOST_VALUES:,} values; expected less (an alias repeats them?)")
    # A schema's bounds let NaN pass.
    not_finite = [
        f"{name} is {value}; expected a finite number" for name, value in leaves if _infinite(value)
    ]
    errors = sorted(
        Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path))
    )
    problems = not_finite + [_message(error, schema) for error in errors if not _infinite(error.instance)]
    if not problems:
        config = _completed(config, schema, schema)
        problems = _contradictions(config)
    if problems:
        # A schema complains of every key that lacks; one line tells of all that lack in one place.
        raise ConfigError("config: " + "\nconfig: ".join(dict.fromkeys(problems)))
    return config


def combinations(config: dict[str, Any]) -> list[Combination]:
    """Every combination of hyperparameters of a validated config: those listed, then the grid's product.

    What neither names has its value under `training` or `model`.
    """
    common = {name: config[parameter.section][name] for name, parameter in HYPERPARAMETERS.items()}
    grid = config.get("grid", {})
    product = itertools.product(*grid.values()) if grid else []
    from_grid = [dict(zip(grid, values, strict=True)) for values in product]
    return [Combination.of(common | settings) for settings in [*config["hyperparameters"], *from_grid]]


def compared_combinations(config: dict[str, Any]) -> list[Combination]:
    """The combinations that every trainer trains, with the number of epochs that they are compared over."""
    every = combinations(config)
    chosen = config["comparison"]["combinations"]
    if isinstance(chosen, dict):
        every = every[: int(chosen["first"])]
    elif isinstance(chosen, list):
        every = [every[int(number) - 1] for number in sorted(chosen)]
    epochs = config["comparison"]["epochs"]
    if epochs is None:
        return every
    # Shortened, combinations that differ in their epochs alone may be the same.
    return list(dict.fromkeys(replace(one, epochs=min(epochs, one.epochs)) for one in every))


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a config with its dotted name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{_key(key)}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}[{index}]")
    else:
        yield name, value


def _key(key: Any) -> str:
    text = str(key)
    return text if text.isprintable() else ascii(text)


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
        unknown = sorted(_key(key) for key in value if key not in known)
        return "; ".join(_unknown_key(name, key, known, schema) for key in unknown)
    if error.validator == "uniqueItems":
        return f"{name} is {_shown(value)}; expected no value twice"
    message = f"{name or 'the file'} is {_shown(value)}; expected {_expected(part, schema)}"
    if isinstance(value, str) and part.get("type") in ("number", "integer") and _is_number(value):
        message += f" (YAML takes it for text: write {_number(float(value))}, without quotes)"
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
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _is_number(text: str) -> bool:
    """Whether text such as 1e-3, which YAML does not take for a number, is one."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(value: float) -> str:
    """`value` as YAML reads it back: 1.0e-05, where Python writes 1e-05."""
    text = repr(value)
    if value.is_integer() and "e" not in text:
        return text.removesuffix(".0")
    return text if "." in text else text.replace("e", ".0e")


def _expected(part: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a part of the schema allows, in words."""
    if "enum" in part:
        return "one of " + ", ".join(map(str, part["enum"]))
    if part.get("type") in ("number", "integer"):
        bounds = [f"{text} {part[key]}" for key, text in BOUNDS.items() if key in part]
        kind = "a whole number" if part["type"] == "integer" else "a number"
        return f"{kind}, {', '.join(bounds)}".rstrip(", ")
    if part.get("type") == "boolean":
        return "true or false"
    if part.get("type") == "object":
        return f"a mapping with the keys {', '.join(part['properties'])}"
    if part.get("type") == "array":
        bounds = [f"{text} {part[key]}" for key, text in LENGTHS.items() if key in part]
        each = _expected(_resolved(part["items"], schema), schema)
        return f"a list{' of ' * bool(bounds)}{', '.join(bounds)}, each {each}"
    # Of a text the schema itself says in words what its pattern asks for.
    return str(part["description"])


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
        # Of -0.0 this makes 0.0, which is the same setting.
        return float(value) + 0.0
    return value


def _contradictions(config: dict[str, Any]) -> list[str]:
    """What a schema cannot say: keys that exclude or need each other."""
    problems = []
    data = config["data"]
    runs = combinations(config)
    if not runs:
        problems.append("hyperparameters is empty; expected at least one combination, there or in grid")
    for combination, count in Counter(runs).items():
        if count > 1:
            problems.append(
                f"hyperparameters and grid have the combination {combination} twice; expected each once"
            )
        if contradiction := combination.contradiction():
            problems.append(
                f"hyperparameters and grid have the combination {combination}, but {contradiction}; "
                "change or remove it"
            )
    chosen = config["comparison"]["combinations"]
    numbers = [chosen["first"]] if isinstance(chosen, dict) else chosen if isinstance(chosen, list) else []
    if runs and numbers and max(numbers) > len(runs):
        problems.append(
            f"comparison.combinations names {max(numbers)}; expected at most {len(runs)}, "
            "the number of combinations"
        )
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
