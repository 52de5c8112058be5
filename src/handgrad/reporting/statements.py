"""The claims of the report: one named predicate on the facts for each sentence that depends on them.

A template includes a sentence only if its predicate holds, so that the report is true whatever the results.
"""

from collections.abc import Callable
from typing import Any

from handgrad.hyperparameters import HYPERPARAMETERS, Combination

Facts = dict[str, Any]

# Significance level of all tests.
SIGNIFICANCE = 0.05
# With a training accuracy above this, there is little left to fit.
NEARLY_ALL = 0.99
# Relative changes of a loss below this do not count as changes.
SMALL_CHANGE = 0.01
# An increase in training loss of more than this fraction from one epoch to the next is a spike.
SPIKE = 0.25
# A training loss that rises in more than this fraction of the epochs, and falls as often, oscillates.
OSCILLATION = 0.2
# Largest relative difference at which the norm predicted by weight decay alone explains the measured norm.
SHRINKAGE_TOLERANCE = 0.1
# A validation loss that ends above its minimum by more than this fraction has turned upwards.
TURNED = 0.05
# A validation loss below this fraction of the training loss suggests a leak or an incorrectly computed loss.
FAR_BELOW = 0.8
# If the standard deviation of the predicted probabilities is below this, the output counts as constant.
CONSTANT_OUTPUT = 1e-9
# Largest accepted deviation of the measured slope of a truncation error from the theoretical slope.
SLOPE_TOLERANCE = 0.1
# Largest expected calibration error at which confidences count as calibrated.
CALIBRATED = 0.05
# Classes are balanced if the largest is at most this many times as large as the smallest.
IMBALANCE = 1.2

# The thresholds that templates print.
THRESHOLDS = {
    "significance": SIGNIFICANCE,
    "small_change": SMALL_CHANGE,
    "spike": SPIKE,
    "oscillation": OSCILLATION,
}

PREDICATES: dict[str, Callable[[Facts], bool]] = {}


def statements(facts: Facts) -> dict[str, bool]:
    """Evaluate every predicate; returns whether each holds, by name."""
    return {name: bool(predicate(facts)) for name, predicate in PREDICATES.items()}


def predicate(function: Callable[[Facts], bool]) -> Callable[[Facts], bool]:
    """Register a function of the facts as a statement for templates."""
    PREDICATES[function.__name__] = function
    return function


@predicate
def stand_in_data(facts: Facts) -> bool:
    """The images are synthetic, not from CIFAR-10."""
    return facts["data"]["source"]["stand_in"]


@predicate
def stand_in_requested(facts: Facts) -> bool:
    """The config requested synthetic images; otherwise they replace an archive that was unavailable."""
    return facts["data"]["source"]["requested"] == "synthetic"


@predicate
def trial(facts: Facts) -> bool:
    """Only some of the images of each class were used."""
    return facts["config"]["data"]["images_per_class"] is not None


@predicate
def official_archive(facts: Facts) -> bool:
    """The archive has the official checksum."""
    return facts["data"]["source"]["official"]


@predicate
def balanced(facts: Facts) -> bool:
    """The largest class of the training images is not much larger than the smallest."""
    return facts["data"]["largest_class"]["share"] <= IMBALANCE * facts["data"]["smallest_class"]["share"]


@predicate
def unofficial_archive(facts: Facts) -> bool:
    """The images are supposed to be from CIFAR-10, but the archive does not have the official checksum."""
    return not official_archive(facts) and not stand_in_data(facts)


@predicate
def blank_images(facts: Facts) -> bool:
    """Some image is a single solid colour."""
    return facts["data"]["blank_images"] > 0


@predicate
def leak_between_splits(facts: Facts) -> bool:
    """An image occurs in more than one of training, validation and test."""
    return facts["data"]["duplicates_across"] > 0


@predicate
def repeated_images(facts: Facts) -> bool:
    """Some image occurs more than once within training, validation or test."""
    return facts["data"]["duplicates_within"] > 0


@predicate
def all_classes_kept(facts: Facts) -> bool:
    """All ten classes of CIFAR-10 are used."""
    return len(facts["data"]["classes"]) == 10


@predicate
def float32_checked(facts: Facts) -> bool:
    """Some gradient checks ran in float32."""
    return facts["gradients"]["float32_checks"] > 0


@predicate
def rounding_too_large(facts: Facts) -> bool:
    """For some parameters, rounding alone may exceed the tolerance for finite differences."""
    return facts["gradients"]["central_differences"]["unmeasurable"] > 0


@predicate
def kinks_left_out(facts: Facts) -> bool:
    """Some parameters could not be checked by finite differences."""
    return facts["gradients"]["central_differences"]["kinks"] > 0


@predicate
def slopes_as_expected(facts: Facts) -> bool:
    """Truncation errors are of order epsilon (forward differences) and epsilon squared (central ones)."""
    sweep = facts["gradients"]["epsilon_sweep"]
    return all(
        abs(sweep[kind]["slope"] - sweep[kind]["expected_slope"]) < SLOPE_TOLERANCE
        for kind in ("forward", "central")
    )


@predicate
def error_above_squared_epsilon(facts: Facts) -> bool:
    """The error of a correct gradient exceeds the square of epsilon for some epsilon."""
    sweep = facts["gradients"]["epsilon_sweep"]
    return sweep["central_above_squared_epsilon"] > 0


@predicate
def gradients_bit_identical(facts: Facts) -> bool:
    """All gradients by hand are bit-identical to autograd's."""
    autograd = facts["gradients"]["autograd"]
    return autograd["bit_identical"] == autograd["checks"]


@predicate
def trained_by_pytorch(facts: Facts) -> bool:
    return "train" in facts["comparison"]["trainers"]


@predicate
def trained_by_manual_update(facts: Facts) -> bool:
    return "train_manual_update" in facts["comparison"]["trainers"]


@predicate
def trained_by_manual_backprop(facts: Facts) -> bool:
    return "train_manual_backprop" in facts["comparison"]["trainers"]


@predicate
def kernel_used(facts: Facts) -> bool:
    """Some network uses the activation whose derivative is an autograd kernel; see docs/by-hand.md."""
    return any(Combination.of(row).activation == "gelu" for row in facts["leaderboard"]["rows"])


@predicate
def several_trainers(facts: Facts) -> bool:
    return len(facts["comparison"]["trainers"]) > 1


@predicate
def update_compared(facts: Facts) -> bool:
    """PyTorch's optimizer and the update by hand trained the same models."""
    return trained_by_pytorch(facts) and several_trainers(facts)


@predicate
def backpropagation_compared(facts: Facts) -> bool:
    """Autograd and backpropagation by hand trained the same models."""
    return trained_by_manual_backprop(facts) and several_trainers(facts)


@predicate
def equal_bits_required(facts: Facts) -> bool:
    """No difference between trainers was tolerated."""
    return facts["comparison"]["tolerance"] == 0


@predicate
def trainers_bit_identical(facts: Facts) -> bool:
    """In every run, the losses and parameters of all trainers are bit-identical."""
    return facts["comparison"]["bit_identical"]


@predicate
def certificate_shortened(facts: Facts) -> bool:
    """The report lists the digests of some runs only."""
    return len(facts["comparison"]["certificate"]["runs"]) < facts["comparison"]["runs"]


@predicate
def several_seeds(facts: Facts) -> bool:
    return len(facts["selection"]["seeds"]) > 1


@predicate
def best_epoch_kept(facts: Facts) -> bool:
    """The model of a run is that of its best validation epoch."""
    return facts["config"]["training"]["keep"] == "best"


@predicate
def best_epoch_was_last(facts: Facts) -> bool:
    """Validation of the selected run was best after its last epoch."""
    return facts["stopping"]["best_epoch"] == facts["stopping"]["epochs"]


@predicate
def stopping_changes_selection(facts: Facts) -> bool:
    """With the models of the best epochs, another combination is selected than with those that were kept."""
    return not facts["stopping"]["same_selection"]


@predicate
def seeds_outweigh_images(facts: Facts) -> bool:
    """Seeds contribute more than images to the variance of the selected combination's mean accuracy."""
    share = facts["leaderboard"]["rows"][0]["seeds_share"]
    return share is not None and share > 0.5


@predicate
def one_combination(facts: Facts) -> bool:
    """There was nothing to select from."""
    return facts["selection"]["combinations"] == 1


@predicate
def several_candidates(facts: Facts) -> bool:
    """There were several combinations to select from that did not diverge."""
    return facts["selection"]["combinations"] - facts["selection"]["diverged"] > 1


@predicate
def leaderboard_shortened(facts: Facts) -> bool:
    """Question (f) shows only the best combinations."""
    return len(facts["leaderboard"]["rows"]) > facts["leaderboard"]["top"]


@predicate
def decided_by_accuracy(facts: Facts) -> bool:
    """The selected combination has a higher validation accuracy than all others."""
    return facts["selection"]["selected"]["decided_by"] == "validation_accuracy"


@predicate
def decided_by_loss(facts: Facts) -> bool:
    """Of the combinations with the highest validation accuracy, the one with the lowest loss was selected."""
    return facts["selection"]["selected"]["decided_by"] == "validation_loss"


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
    """Weight decay, and no other hyperparameter, separates the combinations that collapsed from the others.

    Diverged combinations are ignored.
    """
    rows = [row for row in facts["leaderboard"]["rows"] if not row["diverged"]]
    return _separating(rows, lambda row: row["collapsed"]) == ["weight_decay"]


@predicate
def divergence_by_learning_rate(facts: Facts) -> bool:
    """The learning rate, and no other hyperparameter, separates the combinations that diverged."""
    return _separating(facts["leaderboard"]["rows"], lambda row: row["diverged"]) == ["lr"]


@predicate
def divergence_by_weight_decay(facts: Facts) -> bool:
    """Weight decay, and no other hyperparameter, separates the combinations that diverged."""
    return _separating(facts["leaderboard"]["rows"], lambda row: row["diverged"]) == ["weight_decay"]


@predicate
def tied_with_runner_up(facts: Facts) -> bool:
    """The runner-up has exactly the selected combination's validation accuracy."""
    return facts["leaderboard"]["equal_to_selected"] > 0


@predicate
def choice_within_noise(facts: Facts) -> bool:
    """The paired test finds no significant difference between the selected combination and the runner-up."""
    runner_up = facts["selection"]["runner_up"]
    return runner_up is not None and runner_up["test"]["p_value_holm"] >= SIGNIFICANCE


@predicate
def some_not_told_apart(facts: Facts) -> bool:
    """The paired test finds no significant difference between the selected and some other combination."""
    return facts["leaderboard"]["not_told_apart"] > 0


@predicate
def selected_largest_lr(facts: Facts) -> bool:
    """The selected learning rate is the largest of several that were tried."""
    tried = {row["lr"] for row in facts["leaderboard"]["rows"]}
    return len(tried) > 1 and facts["selection"]["selected"]["lr"] == max(tried)


@predicate
def selected_smallest_lr(facts: Facts) -> bool:
    """The selected learning rate is the smallest of several that were tried."""
    tried = {row["lr"] for row in facts["leaderboard"]["rows"]}
    return len(tried) > 1 and facts["selection"]["selected"]["lr"] == min(tried)


@predicate
def something_to_tell_of_hyperparameters(facts: Facts) -> bool:
    """Question (g) has at least one finding about the effect of the hyperparameters."""
    return (
        any(facts["effects"].values())
        or some_diverged(facts)
        or some_collapsed(facts)
        or tied_with_runner_up(facts)
        or several_seeds(facts)
    )


@predicate
def collapsed(facts: Facts) -> bool:
    """The selected model predicts one class for all test images."""
    return facts["evaluation"]["predicted_classes"] == 1


@predicate
def constant_output(facts: Facts) -> bool:
    """The selected model gives the same probabilities for every image, up to rounding."""
    return facts["evaluation"]["output_deviation"] < CONSTANT_OUTPUT


@predicate
def constant_losses(facts: Facts) -> bool:
    """The selected model was trained for several epochs, and its training loss is the same after each."""
    return facts["training"]["epochs"] > 1 and facts["training"]["different_training_losses"] == 1


@predicate
def one_epoch(facts: Facts) -> bool:
    return facts["training"]["epochs"] == 1


@predicate
def some_run_constant(facts: Facts) -> bool:
    """In a run that did not diverge, the training loss never changed."""
    return facts["health"]["constant_losses"] > 0


@predicate
def some_run_rose(facts: Facts) -> bool:
    """In a run that did not diverge, the training loss ended higher than after the first epoch."""
    return facts["health"]["risen_losses"] > 0


@predicate
def some_run_unhealthy(facts: Facts) -> bool:
    """A run diverged, collapsed, or had a training loss that stayed constant or ended higher."""
    return (
        facts["health"]["diverged"] > 0
        or some_run_constant(facts)
        or some_run_rose(facts)
        or some_collapsed(facts)
    )


@predicate
def training_loss_rose(facts: Facts) -> bool:
    """The training loss of the selected model is higher after the last epoch than after the first."""
    return facts["training"]["last_training_loss"] > facts["training"]["first_training_loss"]


@predicate
def validation_loss_far_below_training(facts: Facts) -> bool:
    """The validation loss is far below the training loss: a sign of a leak or a miscalculated loss."""
    return facts["training"]["last_validation_loss"] < FAR_BELOW * facts["training"]["last_training_loss"]


@predicate
def loss_no_better_than_uniform(facts: Facts) -> bool:
    """The final training loss is not below that of a network that gives every class the same probability."""
    return facts["training"]["last_training_loss"] >= facts["training"]["uniform_loss"]


@predicate
def overfits(facts: Facts) -> bool:
    """Training accuracy exceeds validation accuracy by more than sampling variation explains."""
    return facts["evaluation"]["gap_interval"][0] > 0


@predicate
def validation_loss_turned(facts: Facts) -> bool:
    """The validation loss ended clearly above its minimum."""
    training = facts["training"]
    return training["last_validation_loss"] > (1 + TURNED) * training["lowest_validation_loss"]


@predicate
def overfits_by_loss(facts: Facts) -> bool:
    """The validation loss turned, though the accuracies do not show overfitting."""
    return validation_loss_turned(facts) and not overfits(facts)


@predicate
def underfits(facts: Facts) -> bool:
    """The network makes many errors on the training images, and not clearly fewer than a linear model."""
    low, high = facts["evaluation"]["training_accuracy_interval"]
    return low <= facts["baselines"]["logistic_regression"]["training_accuracy"] and high < NEARLY_ALL


@predicate
def still_learning(facts: Facts) -> bool:
    """The training loss was still decreasing noticeably over the last tenth of the epochs."""
    decrease = facts["training"]["recent_decrease"]
    return decrease is not None and decrease > SMALL_CHANGE


@predicate
def recently_rose(facts: Facts) -> bool:
    """The training loss rose noticeably over the last tenth of the epochs."""
    decrease = facts["training"]["recent_decrease"]
    return decrease is not None and decrease < -SMALL_CHANGE


@predicate
def levelled_off(facts: Facts) -> bool:
    """The training loss hardly changed over the last tenth of the epochs."""
    decrease = facts["training"]["recent_decrease"]
    return decrease is not None and abs(decrease) <= SMALL_CHANGE


@predicate
def overfits_in_some_way(facts: Facts) -> bool:
    """The model overfits, judged by accuracy or by loss."""
    return overfits(facts) or overfits_by_loss(facts)


@predicate
def should_train_longer(facts: Facts) -> bool:
    """There is something left to fit, and there is no sign of overfitting."""
    return underfits(facts) or (still_learning(facts) and not overfits_in_some_way(facts))


@predicate
def baseline_converged(facts: Facts) -> bool:
    """Logistic regression converged."""
    return facts["baselines"]["logistic_regression"]["converged"]


@predicate
def momentum_steps_left_out(facts: Facts) -> bool:
    """The tables of question (d) show only the largest steps."""
    return len(facts["effects"]["momentum"]) > facts["leaderboard"]["steps_shown"]


@predicate
def decay_steps_left_out(facts: Facts) -> bool:
    """The table of question (e) shows only the largest steps."""
    return len(facts["effects"]["weight_decay"]) > facts["leaderboard"]["steps_shown"]


@predicate
def some_steps(facts: Facts) -> bool:
    """Some combinations differ in one hyperparameter alone, by a step to its next value."""
    return facts["steps"]["steps"] > 0


@predicate
def momentum_sped_up(facts: Facts) -> bool:
    """With more momentum, some run reached the lowest training loss of the run with less momentum sooner."""
    return facts["momentum"]["sooner"] > 0


@predicate
def shrinkage_explained(facts: Facts) -> bool:
    """Weight decay alone explains the first-layer norms of combinations that collapsed without momentum."""
    rows = facts["shrinkage"]
    return bool(rows) and all(
        abs(row["norm"] - row["expected_norm"]) <= SHRINKAGE_TOLERANCE * row["expected_norm"] for row in rows
    )


@predicate
def some_spikes(facts: Facts) -> bool:
    """The training loss of some combination rose noticeably from one epoch to the next."""
    return facts["leaderboard"]["spikes"] > 0


@predicate
def some_oscillations(facts: Facts) -> bool:
    """The training loss of some combination rose and fell again and again."""
    return facts["leaderboard"]["oscillating"] > 0


@predicate
def selected_oscillates(facts: Facts) -> bool:
    """The training loss of the selected model rose and fell again and again."""
    return facts["training"]["oscillation"] > OSCILLATION


@predicate
def better_than_random(facts: Facts) -> bool:
    """The confidence interval of the test accuracy lies above the accuracy of random guessing."""
    return facts["evaluation"]["accuracy_interval"][0] > facts["baselines"]["random"]["accuracy"]


@predicate
def no_better_than_a_guess(facts: Facts) -> bool:
    return collapsed(facts) or not better_than_random(facts)


@predicate
def better_than_majority(facts: Facts) -> bool:
    """The confidence interval of the test accuracy lies above the accuracy of the majority class."""
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
    """The recalls of the best and worst class differ by more than sampling variation explains."""
    return facts["evaluation"]["recall_difference_interval"][0] > 0


@predicate
def no_errors(facts: Facts) -> bool:
    """Every test image was classified correctly."""
    return facts["evaluation"]["errors"] == 0


@predicate
def several_confidences(facts: Facts) -> bool:
    """The predictions on the test images fall into several confidence bins."""
    evaluation = facts["evaluation"]
    return evaluation["least_confident_bin"]["upper"] < evaluation["most_confident_bin"]["upper"]


@predicate
def more_right_where_sure(facts: Facts) -> bool:
    """The most confident predictions are correct more often than predictions overall."""
    return facts["evaluation"]["most_confident_bin"]["accuracy"] > facts["evaluation"]["accuracy"]


@predicate
def overconfident(facts: Facts) -> bool:
    """The mean confidence lies above the confidence interval of the accuracy."""
    return facts["evaluation"]["mean_confidence"] > facts["evaluation"]["accuracy_interval"][1]


@predicate
def underconfident(facts: Facts) -> bool:
    """The mean confidence lies below the confidence interval of the accuracy."""
    return facts["evaluation"]["mean_confidence"] < facts["evaluation"]["accuracy_interval"][0]


@predicate
def calibrated(facts: Facts) -> bool:
    """Neither over- nor underconfident, and averaged over the bins, confidence and accuracy are close."""
    error = facts["evaluation"]["calibration"]["expected_calibration_error"]
    return error <= CALIBRATED and not overconfident(facts) and not underconfident(facts)


@predicate
def uncommitted_changes(facts: Facts) -> bool:
    """The run used a Git repository with uncommitted changes."""
    git = facts["provenance"]["git"]
    return git is not None and not git["clean"]


@predicate
def useful(facts: Facts) -> bool:
    """The model beats every baseline, on real photographs."""
    return (
        not no_better_than_a_guess(facts)
        and better_than_majority(facts)
        and better_than_logistic_regression(facts)
        and not stand_in_data(facts)
    )


@predicate
def all_runs_compared(facts: Facts) -> bool:
    """Every run was trained by every trainer, for all of its epochs."""
    return facts["comparison"]["others"] == 0


@predicate
def compared_for_fewer_epochs(facts: Facts) -> bool:
    """The trainers were compared over fewer epochs than the selected combination was trained for."""
    return facts["comparison"]["epochs"] < facts["settings"]["epochs"]


@predicate
def shuffled(facts: Facts) -> bool:
    """The selected model was trained on images reshuffled every epoch."""
    return facts["settings"]["shuffle"]


@predicate
def nesterov_used(facts: Facts) -> bool:
    """Some combination uses Nesterov momentum."""
    return any(row.get("nesterov", False) for row in facts["leaderboard"]["rows"])


@predicate
def dampening_used(facts: Facts) -> bool:
    """Some combination uses dampening."""
    return any(row.get("dampening", 0) > 0 for row in facts["leaderboard"]["rows"])


@predicate
def size_or_length_varied(facts: Facts) -> bool:
    """Combinations differ in batch size, epochs or network."""
    varied = {parameter["name"] for parameter in facts["hyperparameters"]}
    return bool(varied & {"batch_size", "epochs", "hidden", "activation"})


def _differs_from_logistic_regression(facts: Facts) -> bool:
    return facts["baselines"]["mcnemar"]["p_value"] < SIGNIFICANCE


def _separating(rows: list[Facts], failed: Callable[[Facts], bool]) -> list[str]:
    """Return the hyperparameters whose value is larger in every failed row than in every other row."""
    of_failed = [row for row in rows if failed(row)]
    of_others = [row for row in rows if not failed(row)]
    if not of_failed or not of_others:
        return []
    return [
        name
        for name in HYPERPARAMETERS
        if name in rows[0] and min(row[name] for row in of_failed) > max(row[name] for row in of_others)
    ]
