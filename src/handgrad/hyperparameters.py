"""The hyperparameters of a training: everything that a sweep can vary.

`Combination` declares each of them once. The config's schema, the command line of a training, the folders of
runs, the columns of tables and the labels of figures all derive from it. To add one, declare it there, and
use it in `handgrad.stages.train`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, Self, TypedDict, cast

SCHEMA_TYPES = {float: "number", int: "integer", bool: "boolean", tuple[int, ...]: "array", str: "string"}
# Those of handgrad.activations, which imports PyTorch; a test compares the two.
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "identity")


@dataclass(frozen=True)
class Hyperparameter:
    """What is known of one hyperparameter, apart from its value.

    Attributes:
        name: in the config, in files and, with hyphens, on the command line.
        type: of its values.
        default: of the config; where a run has it, its folder and its files need not name it.
        label: what people read in tables and text.
        abbreviation: what labels it where space is short.
        bounds: of its values, as keywords of JSON Schema.
        section: of the config, where the value of combinations that do not name it stands.
        always_named: whether folders, files and tables name it even where it has its default.
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
        """The JSON Schema of a value."""
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
    """The values of a combination in a JSON file, where those that are not always named may be missing."""

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
    """A value of every hyperparameter."""

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
    # As a folder's name, 40 numbers of 5 digits fit into the 255 bytes that file systems allow.
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
        object.__setattr__(self, "hidden", tuple(self.hidden))  # JSON and command lines have lists

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The combination of a record; what it does not name has its default, other keys are ignored."""
        return cls(**{name: record[name] for name in HYPERPARAMETERS if name in record})

    def settings(self, names: Iterable[str] | None = None) -> Settings:
        """The values of the hyperparameters of these names, of all without `names`."""
        values = {name: getattr(self, name) for name in (HYPERPARAMETERS if names is None else names)}
        return cast(Settings, values)

    @property
    def sgd(self) -> dict[str, Any]:
        """The settings of the optimizer, as torch.optim.SGD and our trainers take them."""
        return dict(self.settings(["lr", "weight_decay", "momentum", "dampening", "nesterov"]))

    def named(self) -> Settings:
        """The values that identify the combination: always named, or not the default."""
        return self.settings(named_in([self]))

    def contradiction(self) -> str | None:
        """Why the combination makes no sense, where no value is out of bounds by itself."""
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
    """The hyperparameters that identify these combinations: always named, or somewhere not the default."""
    combinations = list(combinations)
    return [
        name
        for name, parameter in HYPERPARAMETERS.items()
        if parameter.always_named or any(getattr(one, name) != parameter.default for one in combinations)
    ]


def shown_in(combinations: Iterable[Combination]) -> list[str]:
    """The hyperparameters that a table of these combinations has columns for: always named, or varying."""
    combinations = list(combinations)
    return [
        name
        for name, parameter in HYPERPARAMETERS.items()
        if parameter.always_named or len({getattr(one, name) for one in combinations}) > 1
    ]


def run_path(combination: Combination, seed: int) -> str:
    """The folder of a run below results/runs, such as lr~0.01/weight_decay~0.0/momentum~0.9/seed~256.

    A hyperparameter that is not always named appears only where it differs from its default, so that a new
    one moves no run.
    """
    settings = combination.named() | {"seed": seed}
    return "/".join(f"{name}~{value_text(value)}" for name, value in settings.items())


def value_text(value: Any) -> str:
    """A value in a file name: 0.01, true, 512-128-32; every digit is there, so no two values share a text."""
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
    """The values of these hyperparameters in the space of a legend's entry: lr 0.01, wd 0, m 0.9."""
    settings = combination.settings(names)
    return ", ".join(
        f"{HYPERPARAMETERS[name].abbreviation} {short_value(value)}" for name, value in settings.items()
    )
