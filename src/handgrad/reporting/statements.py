"""What the report may claim: one named predicate on the facts for each sentence that depends on data.

A template says a sentence only where its predicate holds, so that the report is true whatever was measured.
"""

from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]

# Below it a difference is called one; the usual level of a test.
SIGNIFICANCE = 0.05
# A training accuracy that leaves little to be fitted.
NEARLY_ALL = 0.99
# A relative change of a loss below this is called none.
SMALL_CHANGE = 0.01
# Expected calibration error up to which confidences are called calibrated.
CALIBRATED = 0.05
# A largest class of more than this many times the smallest is called imbalance.
IMBALANCE = 1.2


PREDICATES: dict[str, Callable[[Facts], bool]] = {}


def statements(facts: Facts) -> dict[str, bool]:
    """Whether each predicate holds, by its name."""
    return {name: bool(predicate(facts)) for name, predicate in PREDICATES.items()}


def predicate(function: Callable[[Facts], bool]) -> Callable[[Facts], bool]:
    """Mark a function on facts as a statement that templates can ask for."""
    PREDICATES[function.__name__] = function
    return function


@predicate
def stand_in_data(facts: Facts) -> bool:
    """The images were drawn, they are not CIFAR-10's."""
    return facts["data"]["source"]["stand_in"]


@predicate
def official_archive(facts: Facts) -> bool:
    """The archive has the official checksum."""
    return facts["data"]["source"]["official"]


@predicate
def balanced(facts: Facts) -> bool:
    """The largest class of the training images is hardly larger than the smallest."""
    return facts["data"]["largest_class"]["share"] <= IMBALANCE * facts["data"]["smallest_class"]["share"]


@predicate
def unofficial_archive(facts: Facts) -> bool:
    """The images are said to be CIFAR-10's, but the archive has another checksum."""
    return not official_archive(facts) and not stand_in_data(facts)


@predicate
def blank_images(facts: Facts) -> bool:
    """Some image is of one colour throughout."""
    return facts["data"]["blank_images"] > 0


@predicate
def leak_between_splits(facts: Facts) -> bool:
    """An image stands in two of training, validation and test."""
    return facts["data"]["duplicates_across"] > 0


@predicate
def slopes_as_expected(facts: Facts) -> bool:
    """Truncation errors fall with the first power of epsilon (forward) and with the second (central)."""
    sweep = facts["gradients"]["epsilon_sweep"]
    return all(
        abs(sweep[kind]["slope"] - sweep[kind]["expected_slope"]) < 0.1 for kind in ("forward", "central")
    )


@predicate
def error_above_squared_epsilon(facts: Facts) -> bool:
    """The error of a correct gradient exceeds the square of epsilon for some epsilon."""
    sweep = facts["gradients"]["epsilon_sweep"]
    return sweep["central_above_squared_epsilon"] > 0


@predicate
def gradients_bit_identical(facts: Facts) -> bool:
    """All gradients by hand are autograd's to the last bit."""
    autograd = facts["gradients"]["autograd"]
    return autograd["bit_identical"] == autograd["checks"]


@predicate
def several_trainers(facts: Facts) -> bool:
    return len(facts["comparison"]["trainers"]) > 1


@predicate
def update_compared(facts: Facts) -> bool:
    """PyTorch's optimizer and the update by hand have trained the same models."""
    trainers = set(facts["comparison"]["trainers"])
    return "train" in trainers and len(trainers) > 1


@predicate
def backpropagation_compared(facts: Facts) -> bool:
    """Autograd and backpropagation by hand have trained the same models."""
    trainers = set(facts["comparison"]["trainers"])
    return "train_manual_backprop" in trainers and len(trainers) > 1


@predicate
def equal_bits_required(facts: Facts) -> bool:
    """No difference between trainers was tolerated."""
    return facts["comparison"]["tolerance"] == 0


@predicate
def trainers_bit_identical(facts: Facts) -> bool:
    """Every run has the same losses and parameters with every trainer, to the last bit."""
    return facts["comparison"]["bit_identical"]


@predicate
def several_seeds(facts: Facts) -> bool:
    return len(facts["selection"]["seeds"]) > 1


@predicate
def one_combination(facts: Facts) -> bool:
    """There was nothing to select from."""
    return facts["selection"]["combinations"] == 1


@predicate
def some_diverged(facts: Facts) -> bool:
    return facts["selection"]["diverged"] > 0


@predicate
def only_one_converged(facts: Facts) -> bool:
    """All combinations but the selected one diverged."""
    return facts["selection"]["combinations"] > 1 and facts["selection"]["runner_up"] is None


@predicate
def some_collapsed(facts: Facts) -> bool:
    """A combination that did not diverge predicts one class for all validation images."""
    return bool(facts["leaderboard"]["collapsed"])


@predicate
def all_collapsed(facts: Facts) -> bool:
    """Every combination that did not diverge predicts one class for all validation images."""
    healthy = facts["selection"]["combinations"] - facts["selection"]["diverged"]
    return len(facts["leaderboard"]["collapsed"]) == healthy


@predicate
def collapse_by_weight_decay(facts: Facts) -> bool:
    """Every collapsed combination has a larger weight decay than every other that did not diverge."""
    rows = [row for row in facts["leaderboard"]["rows"] if not row["diverged"]]
    return _separated(rows, "weight_decay", lambda row: row["predicted_classes"] == 1)


@predicate
def divergence_by_learning_rate(facts: Facts) -> bool:
    """Every diverged combination has a larger learning rate than every other."""
    return _separated(facts["leaderboard"]["rows"], "lr", lambda row: row["diverged"])


@predicate
def tied_with_runner_up(facts: Facts) -> bool:
    """The runner-up has exactly the selected combination's validation accuracy."""
    return facts["leaderboard"]["equal_to_selected"] > 0


@predicate
def choice_within_noise(facts: Facts) -> bool:
    """McNemar's test does not tell the selected combination from the runner-up."""
    runner_up = facts["selection"]["runner_up"]
    return runner_up is not None and runner_up["mcnemar"]["p_value"] >= SIGNIFICANCE


@predicate
def some_not_told_apart(facts: Facts) -> bool:
    """McNemar's test does not tell the selected combination from some other."""
    return facts["leaderboard"]["not_told_apart"] > 0


@predicate
def selected_at_edge(facts: Facts) -> bool:
    """The selected learning rate is the largest or the smallest of several tried."""
    tried = {row["lr"] for row in facts["leaderboard"]["rows"]}
    return len(tried) > 1 and facts["selection"]["selected"]["lr"] in (min(tried), max(tried))


@predicate
def collapsed(facts: Facts) -> bool:
    """The selected model predicts one class for all test images."""
    return facts["evaluation"]["predicted_classes"] == 1


@predicate
def constant_output(facts: Facts) -> bool:
    """The selected model gives the same probabilities for every image, but for rounding."""
    return facts["evaluation"]["output_deviation"] < 1e-9


@predicate
def constant_losses(facts: Facts) -> bool:
    """The training loss of the selected model is the same after every epoch of several."""
    return facts["training"]["epochs"] > 1 and facts["training"]["different_training_losses"] == 1


@predicate
def some_run_constant(facts: Facts) -> bool:
    """In a run that did not diverge the training loss never changed."""
    return facts["health"]["constant_losses"] > 0


@predicate
def some_run_rose(facts: Facts) -> bool:
    """In a run that did not diverge the training loss ended higher than after the first epoch."""
    return facts["health"]["risen_losses"] > 0


@predicate
def training_loss_rose(facts: Facts) -> bool:
    """The training loss of the selected model is higher after the last epoch than after the first."""
    return facts["training"]["last_training_loss"] > facts["training"]["first_training_loss"]


@predicate
def validation_loss_far_below_training(facts: Facts) -> bool:
    """The validation loss is less than 80% of the training loss: a leak, or a loss measured wrongly."""
    return facts["training"]["last_validation_loss"] < 0.8 * facts["training"]["last_training_loss"]


@predicate
def loss_no_better_than_uniform(facts: Facts) -> bool:
    """The last training loss is not below that of a network that gives every class the same probability."""
    return facts["training"]["last_training_loss"] >= facts["training"]["uniform_loss"]


@predicate
def overfits(facts: Facts) -> bool:
    """Training accuracy exceeds validation accuracy by more than the draw of the images explains."""
    return facts["evaluation"]["gap_interval"][0] > 0


@predicate
def validation_loss_turned(facts: Facts) -> bool:
    """The validation loss ended clearly above the lowest it had been."""
    return facts["training"]["last_validation_loss"] > 1.05 * facts["training"]["lowest_validation_loss"]


@predicate
def overfits_by_loss(facts: Facts) -> bool:
    """The validation loss rose again, though the accuracies do not tell of overfitting."""
    return validation_loss_turned(facts) and not overfits(facts)


@predicate
def underfits(facts: Facts) -> bool:
    """The network makes many errors on its training images, and not surely fewer than a linear model."""
    low, high = facts["evaluation"]["training_accuracy_interval"]
    return low <= facts["baselines"]["logistic_regression"]["training_accuracy"] and high < NEARLY_ALL


@predicate
def still_learning(facts: Facts) -> bool:
    """The training loss still fell noticeably over the last tenth of the epochs."""
    decrease = facts["training"]["recent_decrease"]
    return decrease is not None and decrease > SMALL_CHANGE


@predicate
def baseline_converged(facts: Facts) -> bool:
    """The fit of logistic regression came to its end."""
    return facts["baselines"]["logistic_regression"]["converged"]


@predicate
def decay_narrowed_gap(facts: Facts) -> bool:
    """With more weight decay the gap between training and validation was narrower, in every step."""
    return all(narrowed := _decay_narrowed(facts)) and bool(narrowed)


@predicate
def decay_widened_gap(facts: Facts) -> bool:
    """With more weight decay the gap between training and validation was never narrower."""
    return bool(narrowed := _decay_narrowed(facts)) and not any(narrowed)


@predicate
def decay_mixed_gap(facts: Facts) -> bool:
    """With more weight decay the gap was narrower in some steps and not in others."""
    return len(set(_decay_narrowed(facts))) == 2


@predicate
def better_than_random(facts: Facts) -> bool:
    """The interval of the test accuracy lies above that of a guess."""
    return facts["evaluation"]["accuracy_interval"][0] > facts["baselines"]["random"]["accuracy"]


@predicate
def better_than_majority(facts: Facts) -> bool:
    """The interval of the test accuracy lies above the accuracy of always answering the largest class."""
    return facts["evaluation"]["accuracy_interval"][0] > facts["baselines"]["majority"]["accuracy"]


@predicate
def better_than_logistic_regression(facts: Facts) -> bool:
    """McNemar's test on the test images favours the network."""
    return _differs_from_logistic_regression(facts) and facts["baselines"]["gain"] > 0


@predicate
def worse_than_logistic_regression(facts: Facts) -> bool:
    """McNemar's test on the test images favours logistic regression."""
    return _differs_from_logistic_regression(facts) and facts["baselines"]["gain"] < 0


@predicate
def test_below_validation(facts: Facts) -> bool:
    """The test accuracy is lower than the validation accuracy by more than chance explains."""
    return facts["evaluation"]["validation_to_test_interval"][1] < 0


@predicate
def test_above_validation(facts: Facts) -> bool:
    """The test accuracy is higher than the validation accuracy by more than chance explains."""
    return facts["evaluation"]["validation_to_test_interval"][0] > 0


@predicate
def classes_differ(facts: Facts) -> bool:
    """The recalls of the best and the worst class differ by more than the draw of the images explains."""
    return facts["evaluation"]["recall_difference_interval"][0] > 0


@predicate
def several_confidences(facts: Facts) -> bool:
    """The test images are spread over several ranges of confidence."""
    evaluation = facts["evaluation"]
    return evaluation["least_confident_bin"]["upper"] < evaluation["most_confident_bin"]["upper"]


@predicate
def more_right_where_sure(facts: Facts) -> bool:
    """The most confident predictions are right more often than all are."""
    return facts["evaluation"]["most_confident_bin"]["accuracy"] > facts["evaluation"]["accuracy"]


@predicate
def overconfident(facts: Facts) -> bool:
    """The mean confidence lies above the interval of the accuracy."""
    return facts["evaluation"]["mean_confidence"] > facts["evaluation"]["accuracy_interval"][1]


@predicate
def underconfident(facts: Facts) -> bool:
    """The mean confidence lies below the interval of the accuracy."""
    return facts["evaluation"]["mean_confidence"] < facts["evaluation"]["accuracy_interval"][0]


@predicate
def calibrated(facts: Facts) -> bool:
    """Neither, and in no part of the range are confidence and accuracy far apart."""
    error = facts["evaluation"]["calibration"]["expected_calibration_error"]
    return error <= CALIBRATED and not overconfident(facts) and not underconfident(facts)


@predicate
def useful(facts: Facts) -> bool:
    """Better than every baseline, on photographs."""
    return (
        better_than_random(facts)
        and better_than_majority(facts)
        and better_than_logistic_regression(facts)
        and not stand_in_data(facts)
    )


def _differs_from_logistic_regression(facts: Facts) -> bool:
    return facts["baselines"]["mcnemar"]["p_value"] < SIGNIFICANCE


def _decay_narrowed(facts: Facts) -> list[bool]:
    """Whether the gap became narrower, for each step of weight decay between models that learnt something."""
    steps = [step for step in facts["effects"]["weight_decay"] if not step["collapsed"]]
    return [step["gap_to"] < step["gap_from"] for step in steps]


def _separated(rows: list[Facts], name: str, failed: Callable[[Facts], bool]) -> bool:
    """Whether the rows that failed are those with the largest values of a hyperparameter."""
    of_failed = [row[name] for row in rows if failed(row)]
    of_others = [row[name] for row in rows if not failed(row)]
    return bool(of_failed and of_others) and min(of_failed) > max(of_others)
