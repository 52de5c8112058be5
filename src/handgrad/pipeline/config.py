"""Validate the config against its schema, with readable error messages, and fill in its defaults."""

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
    """Loads plain YAML and rejects duplicate keys, for which other loaders silently use the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"{key.value} is given a second time; expected each key once"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def check_syntax(path: Path) -> None:
    """Check that the file at `path`, if it exists, is a YAML mapping without duplicate keys.

    Raises:
        ConfigError: if it is not; the message gives the problem and, if known, the line.
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
    """The JSON Schema in the YAML file at `path`, completed from the declared hyperparameters."""
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
    """A copy of `config` with all defaults filled in and all numbers converted to the type in the schema.

    Raises:
        ConfigError: with one line for each invalid key: the key, its value, and what is expected.
    """
    try:
        leaves = list(itertools.islice(_leaves(config), MOST_VALUES + 1))
    except RecursionError:
        raise ConfigError("config: a value holds itself, or is nested too deeply") from None
    if len(leaves) > MOST_VALUES:
        raise ConfigError(f"config: more than {MOST_VALUES:,} values; expected less (an alias repeats them?)")
    # NaN passes the bounds in a schema.
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
        # The validator reports each missing key separately; combine those of one section into one line.
        raise ConfigError("config: " + "\nconfig: ".join(dict.fromkeys(problems)))
    return config


def combinations(config: dict[str, Any]) -> list[Combination]:
    """All combinations of hyperparameters in a validated config: those listed, then the product of the grid.

    Hyperparameters specified in neither get their values from `training` or `model`.
    """
    common = {name: config[parameter.section][name] for name, parameter in HYPERPARAMETERS.items()}
    grid = config.get("grid", {})
    product = itertools.product(*grid.values()) if grid else []
    from_grid = [dict(zip(grid, values, strict=True)) for values in product]
    return [Combination.of(common | settings) for settings in [*config["hyperparameters"], *from_grid]]


def compared_combinations(config: dict[str, Any]) -> list[Combination]:
    """The combinations trained by every trainer, with the number of epochs over which they are compared."""
    every = combinations(config)
    chosen = config["comparison"]["combinations"]
    if isinstance(chosen, dict):
        every = every[: int(chosen["first"])]
    elif isinstance(chosen, list):
        every = [every[int(number) - 1] for number in sorted(chosen)]
    epochs = config["comparison"]["epochs"]
    if epochs is None:
        return every
    # Combinations that differ only in their number of epochs may become equal when shortened.
    return list(dict.fromkeys(replace(one, epochs=min(epochs, one.epochs)) for one in every))


def compared_seeds(config: dict[str, Any]) -> list[int]:
    """The seeds of the runs trained by every trainer."""
    seeds: list[int] = config["training"]["seeds"]
    chosen = config["comparison"]["seeds"]
    if isinstance(chosen, dict):
        return seeds[: chosen["first"]]
    return [seed for seed in seeds if chosen == "all" or seed in chosen]


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each scalar of a config with its dotted name."""
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
    """The dotted name of the location of an error, such as `hyperparameters[0].lr`."""
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
    """A message that `key` is unknown in `section`, suggesting the right section or the closest known key."""
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
    """Whether text is a number, even one such as 1e-3 that YAML reads as a string."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(value: float) -> str:
    """`value` in a form that YAML reads as a number: 1.0e-05, where Python writes 1e-05."""
    text = repr(value)
    if value.is_integer() and "e" not in text:
        return text.removesuffix(".0")
    return text if "." in text else text.replace("e", ".0e")


def _expected(part: dict[str, Any], schema: dict[str, Any]) -> str:
    """Describe in words what a part of the schema allows."""
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
    # For strings, the schema itself describes the pattern in words.
    return str(part["description"])


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """`part` with its $ref, if any, replaced by the definition, keeping the other keys of `part`."""
    if "$ref" not in part:
        return part
    definition: dict[str, Any] = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
    return definition | {key: value for key, value in part.items() if key != "$ref"}


def _completed(value: Any, part: dict[str, Any], schema: dict[str, Any]) -> Any:
    """`value` with the defaults of the schema and with numbers converted to the type that it requires."""
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
        # Turns -0.0 into 0.0, which is the same setting.
        return float(value) + 0.0
    return value


def _contradictions(config: dict[str, Any]) -> list[str]:
    """Errors that a schema cannot express: keys that exclude or require each other."""
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
    problems += _unknown_seeds(config)
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


def _unknown_seeds(config: dict[str, Any]) -> list[str]:
    seeds, chosen = config["training"]["seeds"], config["comparison"]["seeds"]
    if isinstance(chosen, dict) and chosen["first"] > len(seeds):
        return [
            f"comparison.seeds is the first {chosen['first']}; expected at most {len(seeds)}, "
            "the number of training.seeds"
        ]
    if isinstance(chosen, list) and (unknown := set(chosen) - set(seeds)):
        names = ", ".join(map(str, sorted(unknown)))
        return [f"comparison.seeds has {names}; expected seeds that are in training.seeds"]
    return []
