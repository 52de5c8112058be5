import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from helpers.made_up_facts import (
    DEFAULT_COMBINATIONS,
    SCENARIOS,
    config,
    evaluation,
    facts,
    gradient_check,
    histories,
    inputs,
    run_folder,
    scenario,
    selection,
    summary,
    with_settings,
)
from safetensors.numpy import save_file

from handgrad.reporting.facts import difference_interval
from handgrad.reporting.provenance import git_state
from handgrad.stages.command_line import flags


@pytest.mark.parametrize("name", SCENARIOS)
def test_facts_are_json_without_nan(name):
    json.dumps(scenario(name), allow_nan=False)


def test_difference_interval_is_newcombes():
    # Newcombe (1998), table II, (a): for 56/70 - 48/80, method 10 gives 0.0524 to 0.3339, from the Wilson
    # intervals of the two proportions.
    first, second = (0.6919, 0.8769), (0.4905, 0.7003)
    assert difference_interval(56 / 70, first, 48 / 80, second) == pytest.approx((0.0524, 0.3339), abs=2e-4)


def test_cost_of_a_small_network():
    # Weights: 3072 x 4 + 4 x 2 = 12,296. Forward 2 x 12,296 = 24,592 operations per image; backward the same
    # for dW, and 2 x 8 = 16 to propagate the error through the last layer.
    # An epoch: 10 x (24,592 + 24,608) + 5 x 24,592 = 614,960.
    settings = {"hidden": [4], "epochs": 3, "batch_size": 4}
    cost = facts(
        summary=summary(sizes=(10, 5, 6)),
        selection=with_settings(selection(DEFAULT_COMBINATIONS[:2]), settings, settings | {"epochs": 6}),
    )["cost"]
    assert cost["forward_per_image"] == 24_592
    assert cost["backward_per_image"] == 24_608
    assert cost["epoch"] == 614_960
    assert cost["updates_per_epoch"] == 3
    assert cost["training"] == 1_844_880
    assert cost["trainings"] == 6
    # Three epochs of one and six of the other, each by three trainers.
    assert cost["all"] == 16_603_920


def test_runs_that_are_not_compared_cost_one_training():
    # Nine runs of 50 epochs by the first trainer; two of 5 epochs by all three.
    whole, part = scenario("default")["cost"], scenario("proof on a part")["cost"]
    assert (whole["trainings"], part["trainings"]) == (27, 15)
    assert part["all"] == 9 * whole["training"] + 6 * whole["training"] / 10
    assert scenario("proof on a part")["comparison"]["others"] == 9


def test_the_network_by_layer():
    model = facts()["model"]
    assert [layer["parameters"] for layer in model["layers"]] == [1_573_376, 65_664, 4_128, 66]
    assert [layer["activation"] for layer in model["layers"]] == ["relu", "relu", "relu", None]
    assert model["parameters"] == 1_643_234


def test_effects_are_steps_between_neighbours_of_one_hyperparameter():
    effects = facts()["effects"]
    assert [(step["from"], step["to"]) for step in effects["lr"]] == [(0.01, 0.1)]
    assert effects["lr"][0]["difference"] == pytest.approx(0.871 - 0.832)
    steps = [(step["others"], step["from"], step["to"]) for step in effects["weight_decay"]]
    at_high_momentum = [step[1:] for step in steps if step[0] == {"lr": 0.01, "momentum": 0.9}]
    assert sorted(at_high_momentum) == [(0.0, 0.001), (0.001, 0.01)]
    differences = [abs(step["difference"]) for step in effects["weight_decay"]]
    assert differences == sorted(differences, reverse=True)
    assert effects["weight_decay"][0]["significant"]
    assert not effects["momentum"][-1]["significant"]


def test_a_step_of_momentum_tells_when_its_target_was_reached():
    rows = histories(selection())
    for row in rows:
        if (row["lr"], row["weight_decay"]) == (0.01, 0.01):
            losses = [0.6, 0.5, 0.2, 0.9] if row["momentum"] else [0.7, 0.5, 0.4, 0.3]
            row["training_loss"] = losses + [1.0] * 46
    given = facts(histories=rows)
    step = next(step for step in given["effects"]["momentum"] if step["others"]["weight_decay"] == 0.01)
    assert (step["target"], step["epochs_from"], step["epochs_to"]) == (0.3, 4, 3)
    assert given["leaderboard"]["largest_rise"]["course"]["largest_rise"] == {
        "ratio": 4.5,
        "epoch": 4,
        "before": 0.2,
        "after": 0.9,
    }


def test_decay_alone_shrinks_the_first_layer_as_worked_out_by_hand():
    # 36 updates in each of 50 epochs; (1 - 0.01 * 0.9)**1800 = 8.562e-8, times sqrt(512 / 3) = 13.064.
    (shrunk,) = facts()["shrinkage"]
    assert shrunk["updates"] == 1800
    assert shrunk["factor"] == pytest.approx(8.562e-8, rel=1e-4)
    assert shrunk["expected_norm"] == pytest.approx(1.1185e-6, rel=1e-4)


def test_a_diverged_combination_has_no_effect():
    rows = [DEFAULT_COMBINATIONS[0], (100.0, 0.0, 0.0, 0.506, 0.7, 0.5, 0.7)]
    assert facts(selection=selection(rows, diverged=1))["effects"]["lr"] == []


def test_health_counts_runs():
    chosen = selection(diverged=1)
    rows = histories(chosen)
    rows[0]["training_loss"] = [0.5] * 50
    rows[1]["training_loss"] = [0.5, 0.6, *[0.7] * 48]
    assert facts(selection=chosen, histories=rows)["health"] == {
        "runs": 9,
        "diverged": 1,
        "constant_losses": 1,
        "risen_losses": 1,
    }


def test_training_describes_the_selected_run():
    rows = histories(selection())
    chosen = next(row for row in rows if row["run"] == run_folder(0.1, 0.0, 0.0, 256))
    chosen["training_loss"] = [0.6] * 44 + [0.4, 0.3, 0.3, 0.3, 0.3, 0.2]
    chosen["validation_loss"] = [0.6] * 20 + [0.3] + [0.45] * 29
    training = facts(histories=rows)["training"]
    assert training["first_training_loss"] == 0.6
    assert training["last_training_loss"] == 0.2
    assert training["window"] == 5
    assert training["recent_decrease"] == pytest.approx(0.5)
    assert training["lowest_validation_loss_epoch"] == 21
    assert training["rise_of_validation_loss"] == pytest.approx(0.5)
    assert training["uniform_loss"] == pytest.approx(0.693147, abs=1e-6)


def test_losses_of_zero_are_no_division_by_zero():
    rows = histories(selection())
    for row in rows:
        row["training_loss"] = row["validation_loss"] = [0.0] * 50
    training = facts(histories=rows)["training"]
    assert training["recent_decrease"] is None
    assert training["rise_of_validation_loss"] is None


def test_mean_confidence_weighs_the_bins_by_their_images():
    given = evaluation()
    given["calibration"]["bins"] = [
        {"lower": 0.5, "upper": 0.75, "images": 500, "confidence": 0.6, "accuracy": 0.7},
        {"lower": 0.75, "upper": 1.0, "images": 1500, "confidence": 0.9, "accuracy": 0.9},
    ]
    derived = facts(evaluation=given)["evaluation"]
    assert derived["mean_confidence"] == pytest.approx(0.825)
    assert derived["most_confident_bin"]["share"] == 0.75
    assert derived["most_confident_bin_errors"] == 150


def test_errors_and_confusions_come_from_the_matrix():
    derived = facts()["evaluation"]
    assert derived["errors"] == 128 + 151
    assert derived["images_per_error"] == pytest.approx(2000 / 279)
    assert derived["most_common_confusion"] == {"true": "bird", "predicted": "airplane", "images": 151}
    assert derived["worst_class"]["name"] == "bird"


def test_gradient_checks_are_summed_by_activation_and_implementation():
    gradients = facts()["gradients"]
    assert gradients["autograd"]["checks"] == 144
    assert gradients["autograd"]["bit_identical"] == 18 + 72
    assert gradients["implementations"]["backpropagation"]["bit_identical"] == 18
    assert gradients["implementations"]["buffers"]["bit_identical"] == 72
    assert gradients["central_differences"]["parameters_checked"] == 72 * 40
    assert gradients["networks"] == [[2, 3, 2], [5, 4, 3], [576, 128, 32, 10]]
    row = gradients["by_activation"][0]
    assert row["activation"] == "tanh"
    assert row["implementations"]["backpropagation"] == {
        "checks": 18,
        "bit_identical": 0,
        "largest_relative_error": 4.4e-16,
    }
    assert row["central_error"] == 3.2e-9


def test_the_sweep_counts_where_a_right_gradient_breaks_the_rule_of_squared_epsilon():
    check = gradient_check()
    check["epsilon_sweep"]["points"] = [
        {"epsilon": 1e-1, "forward": 1.0, "central": 2e-2},
        {"epsilon": 1e-2, "forward": 1.0, "central": 0.5e-4},
        {"epsilon": 1e-8, "forward": 1.0, "central": 1e-9},
    ]
    sweep = facts(gradient_check=check)["gradients"]["epsilon_sweep"]
    assert sweep["central_above_squared_epsilon"] == 2
    assert sweep["forward"]["expected_best_epsilon"] == pytest.approx(1.05e-8, rel=0.01)
    assert sweep["central"]["expected_best_epsilon"] == pytest.approx(4.8e-6, rel=0.01)


def write_inputs(folder, **changes):
    given = inputs(**changes)
    for name in ("source", "summary", "gradient_check", "comparison", "selection", "baselines", "evaluation"):
        (folder / f"{name}.json").write_text(json.dumps(given[name]))
    preflight = {"arithmetic": given["provenance"]["arithmetic"]}
    (folder / "preflight.json").write_text(json.dumps(preflight))
    for row in given["histories"]:
        run = folder / row["run"]
        run.mkdir(parents=True)
        names = ("lr", "weight_decay", "momentum", "seed")
        (run / "metrics.json").write_text(json.dumps({name: row[name] for name in names}))
        columns = [name for name in row if isinstance(row[name], list)]
        with (run / "history.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *columns])
            values = [["nan" if value is None else value for value in row[name]] for name in columns]
            writer.writerows(zip(range(1, 51), *values, strict=True))
        weight = np.full((3, 4), row["first_layer_norm"] / 12**0.5)
        save_file({"fc.1.weight": weight}, run / "model.safetensors")
    return given


STAGE = """
import runpy, sys
runpy.run_module("handgrad.stages.facts", run_name="__main__")
heavy = {"torch", "pandas", "scipy", "sklearn", "matplotlib"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def run_stage(folder):
    """Run the stage on the files in `folder`; fail if it imports a module that is slow to import."""
    files = [
        "preflight",
        "source",
        "summary",
        "gradient_check",
        "comparison",
        "selection",
        "baselines",
        "evaluation",
    ]
    options = {name: f"{name}.json" for name in files} | {
        "config": config() | {"hyperparameters": []},
        "hyperparameters": config()["hyperparameters"],
        "fingerprints": {"train": "89abcdef01234567"},
        "run_folders": [row["run"].removesuffix("/train") for row in inputs()["histories"]],
        "trainer": "train",
        "output_facts": "facts.json",
    }
    command = [sys.executable, "-c", STAGE, *flags(options)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_stage_writes_the_facts_of_its_files_and_imports_nothing_heavy(tmp_path):
    given = write_inputs(tmp_path)
    result = run_stage(tmp_path)
    assert result.returncode == 0, result.stderr
    written = json.loads((tmp_path / "facts.json").read_text())
    expected = json.loads(json.dumps(facts(**given)))
    assert {**written, "provenance": None} == {**expected, "provenance": None}
    assert written["provenance"]["fingerprints"] == [{"stage": "train", "fingerprint": "89abcdef01234567"}]
    assert written["provenance"]["git"] is None
    assert written["provenance"]["arithmetic"] == expected["provenance"]["arithmetic"]


def test_the_stage_reads_nan_and_infinity_as_none(tmp_path):
    write_inputs(tmp_path, selection=selection(diverged=1))
    history = tmp_path / run_folder(0.1, 0.0, 0.0, 256) / "history.csv"
    lines = history.read_text().splitlines()
    lines[10:] = [f"{epoch},nan,inf,0.5,0.5" for epoch in range(10, 51)]
    history.write_text("\n".join(lines))
    assert run_stage(tmp_path).returncode == 0
    assert json.loads((tmp_path / "facts.json").read_text())["health"]["diverged"] == 1


def test_a_missing_file_ends_in_one_line(tmp_path):
    write_inputs(tmp_path)
    (tmp_path / "selection.json").unlink()
    result = run_stage(tmp_path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "selection.json" in result.stderr


def git(folder, *arguments):
    subprocess.run(
        ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True,
        capture_output=True,
    )


def test_git_state(tmp_path):
    assert git_state(tmp_path) is None
    git(tmp_path, "init")
    assert git_state(tmp_path) is None
    (tmp_path / "Snakefile").write_text("1")
    git(tmp_path, "add", "Snakefile")
    git(tmp_path, "commit", "-m", "one")
    state = git_state(tmp_path)
    assert len(state["commit"]) == 40
    assert state["clean"]
    (tmp_path / "Snakefile").write_text("2")
    assert not git_state(tmp_path)["clean"]


def test_a_copy_inside_another_repository_has_no_commit(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "notes.txt").write_text("1")
    git(tmp_path, "add", "notes.txt")
    git(tmp_path, "commit", "-m", "one")
    copy = tmp_path / "handgrad"
    copy.mkdir()
    (copy / "Snakefile").write_text("1")
    assert git_state(copy) is None
