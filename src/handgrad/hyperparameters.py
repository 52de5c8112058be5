"""The hyperparameters of a training run: everything that a sweep can vary.

`Combination` declares each of them once. The config schema, the training command line, the run folders, the
table columns and the figure labels are all derived from it. To add one, declare it there and use it in
`handgrad.stages.train`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, Self, TypedDict, cast

SCHEMA_TYPES = {float: "number", int: "integer", bool: "boolean", tuple[int, ...]: "array", str: "string"}
# The names in handgrad.activations, repeated because that module imports PyTorch; a test compares the two.
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "identity")


@dataclass(frozen=True)
class Hyperparameter:
    """The metadata of one hyperparameter.

    Attributes:
        name: its name in the config, in files and, with hyphens, on the command line.
        type: the type of its values.
        default: the default in the config; folders and files of runs that use it need not name it.
        label: the label in tables and text.
        abbreviation: a short label for where space is limited.
        bounds: the bounds of its values, as JSON Schema keywords.
        section: the config section with the value for combinations that do not specify it.
        always_named: whether folders, files and tables name it even if it has its default value.
    """

    name: str
    type: type
    default: Any
    label: str
    abbreviation: str
    bounds: Mapping[str, Any]
    section: str
    always_named: bool

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema for a value."""
        return (
            dict(self.bounds) if "enum" in self.bounds else {"type": SCHEMA_TYPES[self.type], **self.bounds}
        )


def _hyperparameter(
    default: Any,
    label: str,
    abbreviation: str,
    *,
    section: str = "training",
    always_named: bool = False,
    **bounds: Any,
) -> Any:
    metadata = {
        "label": label,
        "abbreviation": abbreviation,
        "bounds": bounds,
        "section": section,
        "always_named": always_named,
    }
    return dataclasses.field(default=default, metadata=metadata)


class Settings(TypedDict):
    """The values of a combination as stored in JSON; only those that are always named are required."""

    lr: float
    weight_decay: float
    momentum: float
    dampening: NotRequired[float]
    nesterov: NotRequired[bool]
    batch_size: NotRequired[int]
    shuffle: NotRequired[bool]
    epochs: NotRequired[int]
    hidden: NotRequired[tuple[int, ...]]
    activation: NotRequired[str]


@dataclass(frozen=True)
class Combination:
    """A value for each hyperparameter."""

    lr: float = _hyperparameter(
        0.01, "learning rate", "lr", always_named=True, exclusiveMinimum=0, maximum=1000
    )
    weight_decay: float = _hyperparameter(
        0.0, "weight decay", "wd", always_named=True, minimum=0, maximum=1000
    )
    momentum: float = _hyperparameter(0.0, "momentum", "m", always_named=True, minimum=0, exclusiveMaximum=1)
    dampening: float = _hyperparameter(0.0, "dampening", "d", minimum=0, maximum=1)
    nesterov: bool = _hyperparameter(False, "Nesterov momentum", "n")
    batch_size: int = _hyperparameter(256, "batch size", "bs", minimum=1, maximum=50000)
    shuffle: bool = _hyperparameter(False, "shuffling", "s")
    epochs: int = _hyperparameter(50, "epochs", "e", minimum=1, maximum=100000)
    # As a folder name, 40 numbers of 5 digits fit into the 255 bytes that file systems allow.
    hidden: tuple[int, ...] = _hyperparameter(
        (512, 128, 32),
        "hidden units",
        "h",
        section="model",
        items={"type": "integer", "minimum": 1, "maximum": 65536},
        minItems=1,
        maxItems=40,
    )
    activation: str = _hyperparameter("relu", "activation", "a", section="model", enum=ACTIVATIONS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))  # JSON and the command line provide lists

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Build a combination from a record; missing keys get their defaults, unknown keys are ignored."""
        return cls(**{name: record[name] for name in HYPERPARAMETERS if name in record})

    def settings(self, names: Iterable[str] | None = None) -> Settings:
        """The values of the named hyperparameters, by default of all."""
        values = {name: getattr(self, name) for name in (HYPERPARAMETERS if names is None else names)}
        return cast(Settings, values)

    @property
    def sgd(self) -> dict[str, Any]:
        """The optimizer settings, as keyword arguments of torch.optim.SGD and our trainers."""
        return dict(self.settings(["lr", "weight_decay", "momentum", "dampening", "nesterov"]))

    def named(self) -> Settings:
        """The values that identify the combination: those always named or different from the default."""
        return self.settings(named_in([self]))

    def contradiction(self) -> str | None:
        """Why the combination is invalid although each value is within its bounds; None if it is valid."""
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            return "nesterov needs momentum above 0 and dampening 0"
        return None

    def __str__(self) -> str:
        return ", ".join(f"{name} {value_text(value)}" for name, value in self.named().items())


HYPERPARAMETERS = {
    field.name: Hyperparameter(field.name, field.type, field.default, **field.metadata)  # type: ignore[arg-type]
    for field in dataclasses.fields(Combination)
}


def named_in(combinations: Iterable[Combination]) -> list[str]:
    """The hyperparameters that identify these combinations: always named, or non-default in some of them."""
    combinations = list(combinations)
    return [
        name
        for name, parameter in HYPERPARAMETERS.items()
        if parameter.always_named or any(getattr(one, name) != parameter.default for one in combinations)
    ]


def shown_in(combinations: Iterable[Combination]) -> list[str]:
    """The hyperparameters that get a column in a table of these combinations: always named, or varying."""
    combinations = list(combinations)
    return [
        name
        for name, parameter in HYPERPARAMETERS.items()
        if parameter.always_named or len({getattr(one, name) for one in combinations}) > 1
    ]


def run_path(combination: Combination, seed: int) -> str:
    """The folder of a run below results/runs, such as lr~0.01/weight_decay~0.0/momentum~0.9/seed~256.

    A hyperparameter that is not always named appears only if it differs from its default, so adding a new one
    does not move existing runs.
    """
    settings = combination.named() | {"seed": seed}
    return "/".join(f"{name}~{value_text(value)}" for name, value in settings.items())


def value_text(value: Any) -> str:
    """A value as it appears in a file name: 0.01, true, 512-128-32; with all digits, so that it is unique."""
    if isinstance(value, list | tuple):
        return "-".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def short_value(value: Any) -> str:
    """A value in as few characters as identify it: 0 for 0.0, yes for true."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return value_text(value)


def short_label(combination: Combination, names: Iterable[str]) -> str:
    """The values of these hyperparameters, short enough for a legend entry: lr 0.01, wd 0, m 0.9."""
    settings = combination.settings(names)
    return ", ".join(
        f"{HYPERPARAMETERS[name].abbreviation} {short_value(value)}" for name, value in settings.items()
    )
