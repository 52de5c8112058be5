"""A change reruns exactly the stages that it affects."""

import os

from helpers.projects import AFTER_TRAINING, SMALL, copy_project, planned, read_config, run, write_config
from helpers.small_archives import write_archive


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def test_second_run_does_nothing(project):
    assert planned(project) == {}


def test_new_combination_runs_only_its_trainings_and_what_follows(project):
    config = read_config(project)
    config["hyperparameters"].append({"lr": 0.1, "weight_decay": 0.0, "momentum": 0.0})
    write_config(project, config)
    assert planned(project) == AFTER_TRAINING | {"preflight": 1, "train": 3}


def test_reordered_combinations_train_nothing(project):
    config = read_config(project)
    config["hyperparameters"].reverse()
    write_config(project, config)
    assert "train" not in planned(project)


def test_template_edit_reruns_only_the_report_and_the_facts_that_tell_of_edits(project):
    answer = project / "report/answers/d.md.j2"
    answer.write_text(answer.read_text() + "\nOne more sentence.\n")
    os.utime(answer, (0, 0))  # a copy that is older than the report, as from cp -p
    assert planned(project) == {"facts": 1, "report": 1, "render": 2, "run_times": 1}


def test_style_edit_typesets_only_the_format_that_uses_it(project):
    for style in (project / "report/style/html").glob("*.css"):
        style.write_text(style.read_text() + "\n/* edited */\n")
        os.utime(style, (0, 0))
    assert planned(project) == {"render": 1, "run_times": 1}


def test_comment_and_docstring_edits_in_the_sources_rerun_nothing(project):
    for path in (project / "src/handgrad").rglob("*.py"):
        path.write_text(path.read_text() + "\n# A comment.\n")
    edit(project / "src/handgrad/sgd.py", '"""', '"""Edited: ')
    assert planned(project) == {}


def test_change_of_the_update_rule_reruns_the_trainings_and_what_follows(project):
    with (project / "src/handgrad/sgd.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    assert planned(project) == AFTER_TRAINING | {"preflight": 1, "check_gradients": 1, "train": 6}


def test_change_of_the_figures_redraws_them_and_typesets_the_report(project):
    with (project / "src/handgrad/stages/figures.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    assert planned(project) == {"figures": 1, "facts": 1, "report": 1, "render": 2, "run_times": 1}


def test_other_seed_of_the_split_runs_everything_but_the_download(project):
    config = read_config(project)
    config["seed"] = 1
    write_config(project, config)
    jobs = planned(project)
    assert jobs["prepare"] == 1
    assert jobs["train"] == 6
    assert jobs["check_gradients"] == 1


def test_fewer_formats_run_nothing_but_what_states_them(project):
    config = read_config(project)
    config["report"]["formats"] = ["md"]
    write_config(project, config)
    assert planned(project) == {"preflight": 1, "facts": 1, "report": 1, "run_times": 1}


def test_a_run_that_ended_after_the_comparison_goes_on_from_there(project):
    config = read_config(project)
    config["training"]["batch_size"] = 16
    write_config(project, config)
    # The trainers agree before and after, so none of the comparison's figures changes.
    run(project, "results/comparison.json")
    after_the_comparison = {rule: jobs for rule, jobs in AFTER_TRAINING.items() if rule != "compare"}
    assert planned(project) == after_the_comparison | {"preflight": 1}


def test_an_older_archive_moved_over_the_first_is_fetched(tmp_path):
    data = SMALL["data"] | {"source": "archive", "archive": "own.tar.gz"}
    project = copy_project(tmp_path / "project", SMALL | {"data": data})
    archive, other = project / "own.tar.gz", project / "other.tar.gz"
    write_archive(archive, per_class_train=60, per_class_test=20)
    write_archive(other, per_class_train=50, per_class_test=20)
    os.utime(other, (946684800, 946684800))
    fetch = ("--until", "fetch")
    run(project, *fetch)
    assert planned(project, *fetch) == {}
    other.replace(archive)
    assert planned(project, *fetch) == {"fetch": 1}
