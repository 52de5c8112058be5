"""check.json: the gradients by hand against autograd and against finite differences."""

from typing import TypedDict


class Case(TypedDict):
    network: list[int]
    activation: str
    loss: str
    batch_size: int
    dtype: str


class AutogradCase(Case):
    implementation: str
    largest_relative_error: float
    bit_identical: bool


class CentralCase(Case):
    parameters: int
    parameters_checked: int
    kinks: int
    unmeasurable: int
    largest_relative_error: float


class AutogradChecks(TypedDict):
    tolerance: float
    checks: list[AutogradCase]


class CentralChecks(TypedDict):
    epsilon: float
    tolerance: float
    checks: list[CentralCase]


class Point(TypedDict):
    """Relative errors of forward and central differences for one epsilon."""

    epsilon: float
    forward: float
    central: float


class Curve(TypedDict):
    best_epsilon: float
    best_error: float
    slope: float


class EpsilonSweep(Case):
    points: list[Point]
    forward: Curve
    central: Curve


class Textbook(TypedDict):
    """How far the textbook form of the gradient of cross entropy ends from autograd."""

    network: list[int]
    samples: int
    batch_size: int
    epochs: int
    largest_parameter: float
    parameter_difference: float
    loss_difference: float


class GradientCheck(TypedDict):
    passed: bool
    autograd: AutogradChecks
    central_differences: CentralChecks
    epsilon_sweep: EpsilonSweep
    textbook: Textbook
