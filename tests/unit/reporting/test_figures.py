import io
import itertools
import os
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from helpers import made_up_facts
from helpers.made_up_runs import (
    write_gradient_check,
    write_json,
    write_run,
    write_source,
    write_split,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.text import Text
from PIL import Image

from handgrad.data.cifar10 import read_split
from handgrad.errors import HandgradError
from handgrad.hyperparameters import Combination
from handgrad.reporting.figures.combinations import leaderboard
from handgrad.reporting.figures.curves import Curve, training_curves
from handgrad.reporting.figures.effects import paired_effects
from handgrad.reporting.figures.gradients import epsilon_sweep
from handgrad.reporting.figures.images import misclassified_images, sample_images
from handgrad.reporting.figures.scores import calibration, confusion_matrix
from handgrad.reporting.figures.style import BLUE
from handgrad.stages import figures as stage
from handgrad.stages.command_line import flags

pytestmark = pytest.mark.slow

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BASELINES = {"chance": 0.5, "majority class": 0.52, "logistic regression": 0.8}
DATA = "Drawn stand-in for CIFAR-10"
NAMES = {
    "sample_images.png",
    "training_curves.svg",
    "leaderboard.svg",
    "confusion_matrix.svg",
    "misclassified_images.png",
    "paired_effects.svg",
    "epsilon_sweep.svg",
    "calibration.svg",
}


def curve(losses, lr=0.01, diverged=False):
    losses = np.array(losses, dtype=float)
    history = pd.DataFrame(
        {
            "epoch": np.arange(1, len(losses) + 1),
            "training_loss": 0.9 * losses,
            "validation_loss": losses,
            "training_accuracy": 0.9,
            "validation_accuracy": 0.8,
        }
    )
    return Curve(Combination(lr, 0.0, 0.9), history, diverged)


def selection(combinations, diverged=0, seeds=(256,)):
    """selection.json of a ranking that falls from 90% in steps of 0.1%."""
    ranking = [
        {
            "rank": rank,
            "lr": 0.001 * rank,
            "weight_decay": 0.0001,
            "momentum": 0.9,
            "diverged": rank > combinations - diverged,
            "validation_accuracy": 0.9 - 0.001 * rank,
            "validation_accuracy_std": 0.01 if len(seeds) > 1 else None,
            "validation_accuracy_interval": [0.88 - 0.001 * rank, 0.92 - 0.001 * rank],
        }
        for rank in range(1, combinations + 1)
    ]
    return {"validation_images": 1000, "seeds": list(seeds), "ranking": ranking}


def evaluation(classes):
    counts = np.full((classes, classes), 3) + 90 * np.eye(classes, dtype=int)
    lower = np.linspace(1 / classes, 1, 11)
    bins = [
        {"lower": low, "upper": high, "images": 100, "confidence": (low + high) / 2, "accuracy": low}
        for low, high in itertools.pairwise(lower)
    ]
    bins[0] |= {"images": 0, "confidence": None, "accuracy": None}
    return {
        "classes": CLASSES[:classes],
        "images": int(counts.sum()),
        "confusion_matrix": counts.tolist(),
        "calibration": {"expected_calibration_error": 0.0414, "bins": bins},
    }


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    path = write_split(tmp_path_factory.mktemp("data") / "images.safetensors", [*range(10)] * 12)
    return read_split(path)


def errors(count, label="automobile", predicted="airplane"):
    return pd.DataFrame(
        {
            "index": 3 * np.arange(count),
            "label": label,
            "predicted": predicted,
            "confidence": np.linspace(0.6, 0.9999, count),
        }
    )


def many_steps():
    """selection.json of sixty learning rates: fifty-nine steps."""
    return made_up_facts.selection(
        [(n / 1000, 0.0, 0.9, 0.8 - 0.00001 * n**2, 0.4, 0.9, 0.3) for n in range(1, 61)]
    )


def sweep():
    points = [
        {"epsilon": 10.0**-p, "forward": 10.0**-p + 10.0 ** (p - 16), "central": 0.1} for p in range(1, 14)
    ]
    figures = {"best_epsilon": 1e-8, "best_error": 2e-8, "slope": 0.987}
    return {
        "network": [5, 4, 3],
        "activation": "tanh",
        "loss": "squared_error",
        "points": points,
        "forward": figures,
        "central": figures,
    }


def every_figure(split):
    """Every figure at the extremes of what it may have to show."""
    diverged = curve([1e200, np.nan, np.nan], lr=10, diverged=True)
    yield "sample_images 2", sample_images(split, CLASSES[:2], DATA)
    yield "sample_images 10", sample_images(split, CLASSES, DATA)
    yield "training_curves 1", training_curves([curve([0.5])], 2, [2**63 - 1], DATA)
    yield "training_curves 200", training_curves([curve([0.7, 0.5, 0.3])] * 199 + [diverged], 10, [256], DATA)
    yield "leaderboard 1", leaderboard(selection(1), BASELINES, DATA)
    yield "leaderboard 9", leaderboard(selection(9, diverged=2), BASELINES, DATA)
    yield "leaderboard 1000", leaderboard(selection(1000, seeds=(1, 2, 3)), BASELINES, DATA)
    yield "confusion_matrix 2", confusion_matrix(evaluation(2), DATA)
    yield "confusion_matrix 10", confusion_matrix(evaluation(10), DATA)
    yield "misclassified_images 0", misclassified_images(split, errors(0), DATA)
    yield "misclassified_images 3", misclassified_images(split, errors(3), DATA)
    yield "misclassified_images 20", misclassified_images(split, errors(20), DATA)
    yield "paired_effects 0", paired_effects(selection(3) | {"steps": {}}, DATA)
    yield "paired_effects 9", paired_effects(made_up_facts.selection(), DATA)
    yield "paired_effects 60", paired_effects(many_steps(), DATA)
    yield "epsilon_sweep", epsilon_sweep(sweep())
    yield "calibration 2", calibration(evaluation(2), DATA)
    yield "calibration 10", calibration(evaluation(10), DATA)


@pytest.fixture(scope="module")
def drawn(split):
    return dict(every_figure(split))


def texts(figure):
    """The texts in the figure, except tick labels."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.findobj(Text))]
    for axes in figure.axes:
        found += [child for child in axes.get_children() if isinstance(child, Text)]
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label]
        if axes.get_legend():
            found += axes.get_legend().findobj(Text)
    return [text for text in found if text.get_text().strip()]


def words(figure):
    return "\n".join(text.get_text() for text in texts(figure))


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def extent(text, renderer):
    """The bounding box of a text; for the title, its first line only, since the second names the data."""
    box = text.get_window_extent(renderer)
    if text.get_text().endswith("\n"):
        box.y0 = (box.y0 + box.y1) / 2
    return box


def test_texts_lie_within_the_figure_and_apart_from_each_other(drawn):
    for name, figure in drawn.items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes = [(text.get_text(), extent(text, renderer)) for text in texts(figure)]
        for text, box in boxes:
            assert figure.bbox.padded(1).fully_contains(*box.min), f"{name}: {text!r} is clipped"
            assert figure.bbox.padded(1).fully_contains(*box.max), f"{name}: {text!r} is clipped"
        for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
            assert not box.fully_overlaps(other_box), f"{name}: {text!r} lies on {other!r}"


def test_every_figure_has_a_title_and_names_its_data(drawn):
    for name, figure in drawn.items():
        assert figure.get_suptitle().strip(), name
        assert ("Drawn inputs" if name == "epsilon_sweep" else DATA) in words(figure), name


def test_every_plot_labels_its_axes(drawn):
    for name, figure in drawn.items():
        for axes in figure.axes if "images" not in name else []:
            shared = axes.get_subplotspec() and not axes.get_subplotspec().is_last_row()
            assert axes.get_xlabel() or shared or axes.get_label() == "<colorbar>", name
            assert axes.get_ylabel() or "Momentum" in words(figure), name


def test_sample_images_shows_each_class_in_its_row(split):
    figure = sample_images(split, CLASSES[:3], DATA)
    for label, row in enumerate(np.reshape(figure.axes, (3, 10))):
        assert row[0].texts[0].get_text() == CLASSES[label]
        shown = [axes.images[0].get_array() for axes in row]
        expected = split.images[split.labels == label][:10].transpose(0, 2, 3, 1)
        assert np.array_equal(shown, expected)


def test_training_curves_show_the_selected_run_above_and_mark_it_below():
    figure = training_curves([curve([0.9, 0.4], lr=0.1), curve([0.8, 0.5], lr=0.2)], 2, [256], DATA)
    above, below = figure.axes[0], figure.axes[2]
    assert [list(line.get_ydata()) for line in above.lines] == [[0.9 * 0.9, 0.9 * 0.4], [0.9, 0.4]]
    assert labels(above) == ["training", "validation"]
    assert labels(below) == ["1.  lr 0.1, wd 0, m 0.9 (selected)", "2.  lr 0.2, wd 0, m 0.9"]


def test_training_curves_draw_all_but_the_best_runs_pale():
    figure = training_curves([curve([0.5, 0.4])] * 8, 2, [256], DATA)
    below = figure.axes[2]
    assert len(below.lines) == 5
    (pale,) = [artist for artist in below.collections if isinstance(artist, LineCollection)]
    assert len(pale.get_segments()) == 3
    assert "3 other runs" in labels(below)


@pytest.mark.parametrize(("losses", "scale"), [([0.7, 0.03], "linear"), ([0.7, 0.02], "log")])
def test_training_curves_are_logarithmic_where_the_losses_span_a_wide_range(losses, scale):
    figure = training_curves([curve(losses)], 2, [256], DATA)
    assert figure.axes[2].get_yscale() == scale
    assert figure.axes[3].get_yscale() == "linear"


def test_training_curves_cross_diverged_runs_without_stretching_the_axis():
    diverged = curve([5.0, 1e100, np.nan, 3.0], lr=10, diverged=True)
    figure = training_curves([curve([0.7, 0.6, 0.5, 0.4]), diverged], 2, [256], DATA)
    below = figure.axes[2]
    assert below.get_ylim()[1] < 1
    (cross,) = [line for line in below.lines if line.get_marker() == "x"]
    assert cross.get_xdata().tolist() == [2]
    assert "1 diverged (cross: last finite loss)" in labels(below)
    # Nothing is drawn from the first NaN loss on.
    assert len(diverged.finite) == 2


def test_training_curves_of_several_seeds_are_means_with_their_range():
    several = Curve.of(Combination(), [curve([0.8, 0.5]).history, curve([0.6, 0.1]).history], diverged=False)
    assert several.history["validation_loss"].tolist() == pytest.approx([0.7, 0.3])
    assert several.lowest["validation_loss"].tolist() == [0.6, 0.1]
    assert several.highest["validation_loss"].tolist() == [0.8, 0.5]
    figure = training_curves([several], 2, [1, 2], DATA)
    above, below = figure.axes[0], figure.axes[2]
    assert above.get_title(loc="left") == "Selected combination"
    for axes, bands in ((above, 2), (below, 1)):
        assert len([artist for artist in axes.collections if isinstance(artist, PolyCollection)]) == bands
    assert below.collections[0].get_datalim(below.transData).extents.tolist() == pytest.approx(
        [1, 0.1, 2, 0.8]
    )


def test_the_mean_over_seeds_ends_where_any_of_them_diverged():
    histories = [curve([0.8, 0.5, 0.4]).history, curve([0.6, 0.1, np.nan]).history]
    assert len(Curve.of(Combination(), histories, diverged=True).finite) == 2


def test_many_other_runs_are_a_band_of_their_middle():
    others = [curve([0.5 + 0.01 * n, 0.4 + 0.01 * n]) for n in range(101)]
    below = training_curves([*[curve([0.3, 0.2])] * 5, *others], 2, [256], DATA).axes[2]
    assert "middle 90% of 101 other runs" in labels(below)
    (band,) = below.collections
    # The 5th and the 95th percentile of the others, in both epochs.
    extents = band.get_datalim(below.transData).extents.tolist()
    assert extents == pytest.approx([1, 0.45, 2, 1.45])


def test_the_leaderboard_shows_the_spread_of_several_seeds():
    axes = leaderboard(selection(4, seeds=(1, 2)), BASELINES, DATA).axes[0]
    spread = axes.collections[0].get_segments()[0]
    # One standard deviation, 1%, around 89.9%.
    assert spread[:, 0].tolist() == pytest.approx([0.889, 0.909])
    assert "± one standard deviation over the seeds" in labels(axes)


def test_training_curves_of_one_epoch_are_dots():
    figure = training_curves([curve([0.5])], 2, [256], DATA)
    assert {line.get_marker() for line in figure.axes[0].lines} == {"o"}


def test_leaderboard_marks_the_selected_and_the_diverged():
    figure = leaderboard(selection(4, diverged=1), BASELINES, DATA)
    positions = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert positions["selected"].tolist() == [0]
    assert positions["not selected"].tolist() == [1, 2]
    assert positions["diverged, not eligible"].tolist() == [3]
    assert {"chance (50.0%)", "majority class (52.0%)", "logistic regression (80.0%)"} <= positions.keys()


def test_leaderboard_shows_the_intervals():
    figure = leaderboard(selection(1), BASELINES, DATA)
    ((bar,),) = [bars.get_segments() for bars in figure.axes[0].collections]
    assert bar[:, 0].tolist() == [0.88 - 0.001, 0.92 - 0.001]


def test_leaderboard_shows_the_first_19_of_many_and_the_last():
    figure = leaderboard(selection(1000), BASELINES, DATA)
    shown = [text.get_text() for text in texts(figure)]
    assert "980 more combinations" in shown
    assert {"1", "19", "1,000"} <= set(shown)
    assert "20" not in shown


def test_leaderboard_of_20_combinations_leaves_none_out():
    assert "more" not in words(leaderboard(selection(20), BASELINES, DATA))


def test_confusion_matrix_has_counts_and_parts_of_the_rows():
    content = evaluation(2) | {"confusion_matrix": [[30, 10], [5, 0]]}
    cells = [text.get_text() for text in confusion_matrix(content, DATA).axes[0].texts]
    assert cells == ["30\n75.0%", "10\n25.0%", "5\n100.0%", "0\n0.0%"]


def test_confusion_matrix_of_a_class_without_images_is_drawn():
    content = evaluation(2) | {"confusion_matrix": [[3, 1], [0, 0]]}
    cells = [text.get_text() for text in confusion_matrix(content, DATA).axes[0].texts]
    assert cells[2:] == ["0\n0.0%", "0\n0.0%"]


def test_misclassified_images_are_grouped_by_kind_and_sorted_by_confidence(split):
    rare = [errors(1, "cat", name) for name in ("dog", "deer", "bird")]
    figure = misclassified_images(split, pd.concat([errors(2, "frog", "cat"), errors(9), *rare]), DATA)
    rows = np.reshape(figure.axes, (4, 6))
    assert [row[0].texts[0].get_text() for row in rows[:2]] == [
        "automobile\n→ airplane\n\n9 errors",
        "frog\n→ cat\n\n2 errors",
    ]
    # The confidence of the errors increases with their position, so the last comes first.
    assert rows[0, 0].get_title(loc="left") == "no. 24\n> 99.9%"
    assert np.array_equal(rows[0, 0].images[0].get_array(), split.images[8].transpose(1, 2, 0))
    assert [sum(len(axes.images) for axes in row) for row in rows] == [6, 2, 1, 1]
    assert "14 errors on 120 test images" in words(figure)


def test_misclassified_images_says_where_there_is_none(split):
    assert "No test image is misclassified." in words(misclassified_images(split, errors(0), DATA))


def test_paired_effects_shows_every_step_with_its_interval():
    chosen = made_up_facts.selection(
        [(0.01, 0.0, 0.0, 0.80, 0.4, 0.9, 0.3), (0.1, 0.0, 0.0, 0.83, 0.4, 0.9, 0.3)], images=1000
    )
    (pair,) = chosen["steps"]["lr"]
    figure = paired_effects(chosen, DATA)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.01 → 0.1  (wd 0, m 0)"]
    (point,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert point.get_xdata()[0] == pytest.approx(3.0)
    (bar,) = axes.collections[0].get_segments()
    assert bar[:, 0] == pytest.approx(np.multiply(100, pair["difference_interval"]))
    # 20 images only before, 50 only after: McNemar's exact p is 0.0004.
    assert point.get_markerfacecolor() == BLUE
    assert "Learning rate" in words(figure)


def test_paired_effects_of_many_steps_shows_the_largest():
    figure = paired_effects(many_steps(), DATA)
    assert len(figure.axes[0].get_yticklabels()) == 40
    assert "the 40 largest of 59 steps" in words(figure)


def test_epsilon_sweep_marks_the_best_step_and_names_the_slope():
    axes = epsilon_sweep(sweep()).axes[0]
    assert labels(axes)[0] == r"forward: slope 0.99, best step $1.0 \times 10^{-8}$"
    (star, _) = [line for line in axes.lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (1e-8, 2e-8)


@pytest.mark.parametrize(("label", "order"), [("slope 1", 1), ("slope 2", 2)])
def test_epsilon_sweep_has_guides_of_the_slopes(label, order):
    (guide,) = [line for line in epsilon_sweep(sweep()).axes[0].lines if line.get_label() == label]
    slopes = np.diff(np.log(guide.get_ydata())) / np.diff(np.log(guide.get_xdata()))
    assert slopes == pytest.approx(np.full(len(slopes), order))


def test_calibration_leaves_out_empty_bins():
    above, below = calibration(evaluation(2), DATA).axes
    (line,) = [line for line in above.lines if "selected model" in str(line.get_label())]
    assert line.get_xdata()[0] == pytest.approx(0.575)
    assert len(line.get_xdata()) == len(below.patches) == 9
    assert "4.1%" in line.get_label()


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """The options of the stage for a small synthetic run, one of whose three combinations diverged."""
    results = tmp_path_factory.mktemp("results")
    labels, combinations = [0, 1] * 10, [(0.01, 0.0, 0.0), (0.1, 0.01, 0.9), (10.0, 0.0, 0.0)]
    folders = [
        write_run(results, combination, labels, labels, diverged_epoch=diverged)
        for combination, diverged in zip(combinations, [None, None, 2], strict=True)
    ]
    rows = [
        dict(zip(("lr", "weight_decay", "momentum"), combinations[number], strict=True))
        | {"epochs": 5, "rank": rank, "diverged": number == 2}
        | {"validation_accuracy": 0.8, "validation_accuracy_interval": [0.7, 0.9]}
        for rank, number in enumerate([1, 0, 2], start=1)
    ]
    chosen = {
        "validation_images": 20,
        "seeds": [256],
        "ranking": rows,
        "selected": rows[0] | {"seed": 256},
        "steps": {},
    }
    scores = {"accuracy": 0.5, "validation_accuracy": 0.5}
    baselines = {"random": scores, "majority": scores, "logistic_regression": scores}
    errors(3, "bird", "airplane").to_csv(results / "predictions.csv", index=False)
    return {
        "source": write_source(results, stand_in=True),
        "classes": ["airplane", "bird"],
        "train_data": write_split(results / "train.safetensors", labels),
        "test_data": write_split(results / "test.safetensors", labels, seed=1),
        "run_folders": folders,
        "trainer": "train",
        "selection": write_json(results / "selection.json", chosen),
        "evaluation": write_json(results / "evaluation.json", evaluation(2) | {"baselines": baselines}),
        "predictions": results / "predictions.csv",
        "gradient_check": write_gradient_check(results),
    }


def draw(options, folder, **environment):
    """The bytes of the figures that the stage draws in its own process."""
    options = options | {"output_figures": [folder / name for name in sorted(NAMES)]}
    command = [sys.executable, "-m", "handgrad.stages.figures", *flags(options)]
    subprocess.run(command, check=True, env=os.environ | environment)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def files(options, tmp_path_factory):
    return draw(options, tmp_path_factory.mktemp("figures"), PYTHONHASHSEED="1")


def test_the_stage_draws_every_figure_to_the_same_bytes_whatever_the_users_style(options, files, tmp_path):
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 30\n")
    again = draw(options, tmp_path / "again", PYTHONHASHSEED="2", MATPLOTLIBRC=str(tmp_path))
    assert again.keys() == NAMES
    assert again == files


def test_the_files_are_images_without_dates(files):
    for name, content in files.items():
        if name.endswith(".svg"):
            assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
            assert b"date" not in content
        else:
            image = Image.open(io.BytesIO(content))
            assert image.width == 1260
            assert "Software" not in image.info


def test_the_stage_draws_the_ranking_of_the_selected_seed(options):
    curves = stage.read_curves(options["run_folders"], "train", stage.read_json(options["selection"]))
    settings = [(0.1, 0.01, 0.9), (0.01, 0.0, 0.0), (10.0, 0.0, 0.0)]
    assert [curve.combination for curve in curves] == [Combination(*values, epochs=5) for values in settings]
    assert [curve.diverged for curve in curves] == [False, False, True]
    assert [len(curve.finite) for curve in curves] == [5, 5, 1]


@pytest.mark.parametrize(
    ("stand_in", "official", "name"),
    [
        (False, True, "CIFAR-10"),
        (False, False, "CIFAR-10, unofficial copy"),
        (True, False, "Drawn stand-in for CIFAR-10"),
    ],
)
def test_the_data_are_called_what_they_are(stand_in, official, name):
    assert stage.data_name({"stand_in": stand_in, "official": official}) == name


@pytest.mark.parametrize("name", ["select", "baselines", "figures"])
def test_stages_that_need_no_torch_do_not_import_it(name):
    program = f"import sys, handgrad.stages.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_figure_that_only_a_template_knows_is_named(options, tmp_path):
    options = options | {"output_figures": [tmp_path / "no_such_figure.svg"]}
    with pytest.raises(HandgradError, match=r"no_such_figure\.svg.*expected one of the figures"):
        stage.main(stage.Options(**options))
