"""facts.json: every number stated in the report. Fractions are between 0 and 1; None means not finite."""

from collections.abc import Sequence
from typing import Any, TypedDict

from handgrad.hyperparameters import Settings
from handgrad.records import baselines, gradient_check, selection
from handgrad.records.evaluation import Bin, ClassScores, Majority, McNemar, ModelScores, Random
from handgrad.records.preflight import Arithmetic
from handgrad.records.source import Source
from handgrad.records.summary import Normalisation, SplitSummary

# The values of some hyperparameters, by name.
Values = dict[str, Any]


class ImagesOfClass(TypedDict):
    """The number of images in each split, and the share of the training images."""

    name: str
    train: int
    validation: int
    test: int
    share: float


class Duplicates(TypedDict):
    """The number of images that two splits have in common."""

    first: str
    second: str
    images: int


class Data(TypedDict):
    source: Source
    classes: list[str]
    images: int
    splits: dict[str, SplitSummary]
    class_counts: list[ImagesOfClass]
    largest_class: ImagesOfClass
    smallest_class: ImagesOfClass
    blank_images: int
    duplicates_within: int
    duplicates_between: list[Duplicates]
    duplicates_across: int
    normalisation: Normalisation
    official_training_images: int
    official_test_images: int


class Layer(TypedDict):
    """`activation` is None for the last layer, whose outputs are the logits."""

    number: int
    inputs: int
    outputs: int
    activation: str | None
    weights: int
    parameters: int


class Model(TypedDict):
    inputs: int
    outputs: int
    layers: list[Layer]
    parameters: int


class Cost(TypedDict):
    """Floating-point operations of the matrix products, and the time they take at `reference_rate`."""

    forward_per_image: int
    backward_per_image: int
    backward_over_forward: float
    epoch: int
    updates_per_epoch: int
    training: int
    trainings: int
    all: int
    reference_rate: float
    epoch_seconds: float
    training_seconds: float
    all_seconds: float
    seconds_by_run: dict[str, float]


class AgainstAutograd(TypedDict):
    checks: int
    bit_identical: int
    largest_relative_error: float | None


class AllAgainstAutograd(AgainstAutograd):
    tolerance: float


class CentralDifferences(TypedDict):
    epsilon: float
    tolerance: float
    checks: int
    parameters_checked: int
    kinks: int
    unmeasurable: int
    largest_relative_error: float | None


class ActivationCheck(TypedDict):
    activation: str
    implementations: dict[str, AgainstAutograd]
    central_error: float | None


class CurveWithTheory(gradient_check.Curve):
    expected_slope: int
    expected_best_epsilon: float


class EpsilonSweep(gradient_check.Case):
    points: list[gradient_check.Point]
    forward: CurveWithTheory
    central: CurveWithTheory
    largest_epsilon: float
    smallest_epsilon: float
    central_above_squared_epsilon: int
    rounding_unit: float


class Gradients(TypedDict):
    autograd: AllAgainstAutograd
    implementations: dict[str, AgainstAutograd]
    central_differences: CentralDifferences
    by_activation: list[ActivationCheck]
    networks: list[list[int]]
    losses: list[str]
    batch_sizes: list[int]
    float32_checks: int
    epsilon_sweep: EpsilonSweep
    textbook: gradient_check.Textbook


class CertifiedRun(Settings):
    """`digests` are those of the final parameters, one per trainer."""

    seed: int
    digests: list[str]
    first_different_epoch: int | None
    loss_difference: float
    parameter_difference: float


class Certificate(TypedDict):
    names: list[str]
    several_seeds: bool
    runs: list[CertifiedRun]


class SubmittedTrainer(TypedDict):
    """A trainer from a submitted file; `our_update` if only its gradients are."""

    name: str
    our_update: bool


class Agreement(TypedDict):
    tolerance: float
    trainers: list[str]
    submitted: list[SubmittedTrainer]
    bit_identical: bool
    largest_loss_difference: float
    largest_parameter_difference: float
    runs: int
    others: int
    epochs: int
    bit_identical_runs: int
    certificate: Certificate


class Rise(TypedDict):
    """The largest rise of the training loss from one epoch to the next, and its ratio."""

    ratio: float
    epoch: int
    before: float
    after: float


class Course(TypedDict):
    epochs: int
    lowest_training_loss: float
    lowest_training_loss_epoch: int
    last_training_loss: float
    lowest_validation_loss: float
    lowest_validation_loss_epoch: int
    last_accuracies: list[float]
    largest_rise: Rise
    rises: int
    falls: int


class LeaderboardRow(selection.Row):
    """`gap` is training minus validation accuracy; `course` is None if the training diverged."""

    selected: bool
    collapsed: bool
    gap: float | None
    course: Course | None
    seeds_share: float | None
    first_layer_norm: float


class Leaderboard(TypedDict):
    rows: list[LeaderboardRow]
    top: int
    steps_shown: int
    largest_lr: float
    complete: bool
    collapsed: list[LeaderboardRow]
    diverged: list[LeaderboardRow]
    not_told_apart: int
    last_epochs: int
    spikes: int
    largest_rise: LeaderboardRow
    oscillating: int
    most_oscillating: LeaderboardRow
    equal_to_selected: int


class Name(TypedDict):
    name: str
    label: str


class Difference(TypedDict):
    """The difference in validation accuracy between two combinations, on the same images."""

    accuracy_from: float
    accuracy_to: float
    difference: float
    difference_interval: Sequence[float]
    p_value_holm: float
    significant: bool


_Ends = TypedDict("_Ends", {"from": Any, "to": Any})


class Step(Difference, _Ends):
    """A step from one value of `parameter` to the next, all others being equal.

    `target` is the lowest training loss before the step; `epochs_from` and `epochs_to` are the epochs in
    which it was reached.
    """

    parameter: str
    others: Values
    collapsed: bool
    gap_from: float
    gap_to: float
    target: float
    epochs_from: int
    epochs_to: int | None
    best_epoch_from: int
    best_epoch_to: int


class Steps(TypedDict):
    steps: int
    significant: int
    largest: Step | None


class Momentum(TypedDict):
    """The steps in momentum that reached the target in fewer epochs."""

    steps: int
    sooner: int
    best: Step | None


class SameSteadyStep(Difference):
    before: Values
    after: Values


class Shrinkage(TypedDict):
    """The norm of the first layer's weights if only weight decay changed them, and the actual one."""

    lr: float
    weight_decay: float
    updates: int
    factor: float
    initial_norm: float
    expected_norm: float
    norm: float


class Health(TypedDict):
    runs: int
    diverged: int
    constant_losses: int
    risen_losses: int


class Training(Settings):
    """The selected run."""

    run: str
    seed: int
    diverged_epoch: int | None
    first_training_loss: float | None
    last_training_loss: float | None
    first_validation_loss: float | None
    last_validation_loss: float | None
    lowest_validation_loss: float | None
    lowest_validation_loss_epoch: int | None
    different_training_losses: int
    uniform_loss: float
    window: int
    oscillation: float
    recent_decrease: float | None
    rise_of_validation_loss: float | None


class Stopping(TypedDict):
    """The best epoch of the selected run, and what is selected if all runs stop after their best epochs."""

    epochs: int
    best_epoch: int
    best_accuracy: float
    best_loss: float
    last_accuracy: float
    last_loss: float
    gain: float
    selected: Settings
    selected_accuracy: float
    same_selection: bool


class CurveOfRun(TypedDict):
    label: str
    diverged: bool
    validation_loss: list[float | None]
    training_loss: list[float | None]
    validation_accuracy: list[float | None]
    training_accuracy: list[float | None]


class Curves(TypedDict):
    """See `handgrad.reporting.curves.curves`."""

    epochs: list[int]
    left_out: int
    abbreviations: str
    seeds: int
    runs: list[CurveOfRun]


class Confusion(TypedDict):
    true: str
    predicted: str
    images: int


class BinWithShare(Bin):
    share: float


class EvaluationResult(ModelScores):
    errors: int
    images_per_error: float | None
    worst_class: ClassScores
    best_class: ClassScores
    most_common_confusion: Confusion
    mean_confidence: float
    overconfidence: float
    recall_difference_interval: Sequence[float]
    least_confident_bin: Bin
    most_confident_bin: BinWithShare
    most_confident_bin_errors: int
    gap: float
    gap_interval: Sequence[float]
    validation_to_test: float
    validation_to_test_interval: Sequence[float]


class LogisticRegression(baselines.LogisticRegression):
    accuracy: float
    accuracy_interval: Sequence[float]
    loss: float


class Baselines(TypedDict):
    random: Random
    majority: Majority
    logistic_regression: LogisticRegression
    mcnemar: McNemar
    gain: float


class Package(TypedDict):
    name: str
    version: str | None


class Git(TypedDict):
    commit: str
    clean: bool


class Fingerprint(TypedDict):
    stage: str
    fingerprint: str


class Provenance(TypedDict):
    python: str
    packages: list[Package]
    system: str
    cpu: str
    cpu_count: int | None
    gpus: list[str]
    git: Git | None
    fingerprints: list[Fingerprint]
    arithmetic: Arithmetic


class Facts(TypedDict):
    """`config` and its part `report` follow workflow/schemas; `statements` are the predicates that hold."""

    report: dict[str, Any]
    config: dict[str, Any]
    data: Data
    model: Model
    cost: Cost
    gradients: Gradients
    comparison: Agreement
    selection: selection.Outcome
    leaderboard: Leaderboard
    settings: Settings
    hyperparameters: list[Name]
    effects: dict[str, list[Step]]
    steps: Steps
    momentum: Momentum
    same_steady_steps: list[SameSteadyStep]
    shrinkage: list[Shrinkage]
    health: Health
    training: Training
    stopping: Stopping
    curves: Curves
    evaluation: EvaluationResult
    baselines: Baselines
    provenance: Provenance
    statements: dict[str, bool]
