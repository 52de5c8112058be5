"""Named experiments share one store of runs, and do not overwrite or invalidate each other's files."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml
from helpers.projects import (
    AFTER_TRAINING,
    SMALL_SETTINGS,
    environment,
    planned,
    result_files,
    run,
    snakemake,
)

from handgrad.errors import HandgradError
from handgrad.stages import verify

# What an experiment does not share with others.
OWN = AFTER_TRAINING | {"preflight": 1, "check_gradients": 1, "baselines": 1}
SHARED = {"lr": 0.01, "weight_decay": 0.01, "momentum": 0.9}
NEW = {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.0}


def write_experiment(project, name, config):
    path = project / "experiments" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return f"--configfile=experiments/{name}.yaml"


def test_equal_runs_are_shared_and_others_are_not(project):
    more = write_experiment(project, "more", {"hyperparameters": [SHARED, NEW]})
    assert planned(project, more) == OWN | {"train": 3}
    longer = write_experiment(project, "longer", {"training": {"epochs": 3}})
    assert planned(project, longer) == OWN | {"train": 6}
    other_split = write_experiment(project, "split", {"seed": 1})
    assert planned(project, other_split) == OWN | {"fetch": 1, "prepare": 1, "train": 6}
    same = write_experiment(project, "same", {"report": {"formats": ["md"]}})
    expected = {rule: jobs for rule, jobs in OWN.items() if rule != "render"}
    assert planned(project, same) == expected


def test_a_name_that_is_taken_is_refused(project):
    result = snakemake(project, "--cores=1", write_experiment(project, "runs", {"seed": 1}))
    assert result.returncode != 0
    assert "experiments/runs.yaml: results/runs is used otherwise" in result.stdout


@pytest.mark.slow
def test_experiments_at_once_and_after_each_other_leave_each_other_alone(
    project, tmp_path, capsys, monkeypatch
):
    before = result_files(project)
    options = [
        write_experiment(project, "more", {"hyperparameters": [SHARED, NEW]}),
        write_experiment(project, "longer", {"training": {"epochs": 3}, "hyperparameters": [SHARED]}),
    ]
    command = [sys.executable, "-m", "snakemake", "--cores=1"]
    jobs = [
        subprocess.Popen(
            [*command, option],
            cwd=project,
            env=environment(project),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for option in options
    ]
    for option, job in zip(options, jobs, strict=True):
        output = job.communicate()[0]
        if job.returncode:
            # The second is rejected if it would read what the first one writes.
            assert "LockException" in output or "locked" in output, output
            run(project, option)
    for option in ([], [options[0]], [options[1]]):
        assert planned(project, *option) == {}
    after = result_files(project)
    assert {name: after[name] for name in before} == before
    added = {name.split("/")[0] for name in after.keys() - before.keys()}
    assert added == {"runs", "more", "longer"}
    comparison = ["compare_experiments", "--config", "experiments=[default,more,longer]"]
    run(project, *comparison)
    text = (project / "results/comparisons/default-more-longer/report.md").read_text()
    assert "| `training.epochs` | `2` | `2` | `3` |" in text
    assert "Holm's procedure corrects the p-values for 3 comparisons" in text
    assert planned(project) == {}
    template = project / "report/comparison.md.j2"
    template.write_text(template.read_text() + "\nOne more sentence.\n")
    os.utime(template, (0, 0))
    assert planned(project, *comparison)["report_comparison"] == 1
    shared = f"results/runs/lr~0.01/weight_decay~0.01/momentum~0.9/{SMALL_SETTINGS}/seed~256/train"
    facts = yaml.safe_load((project / "results/more/comparison.json").read_text())
    assert [one["lr"] for one in facts["runs"]] == [0.01, 0.1]
    assert (project / shared).is_dir()

    check_verification(project, tmp_path, capsys, monkeypatch)


def check_verification(project, tmp_path, capsys, monkeypatch):
    """`handgrad verify` accepts the results with all experiments, one experiment, and copies of it."""
    verify.main([str(project / "results")])
    assert capsys.readouterr().out.count("facts.json follows from them") == 3
    verify.main([str(project / "results/longer")])
    assert capsys.readouterr().out.count("facts.json follows from them") == 1
    copy = tmp_path / "given/longer"
    shutil.copytree(project / "results/longer", copy)
    with pytest.raises(HandgradError, match="a copy of results/NAME needs results/data, "):
        verify.main([str(copy)])
    for name in ("data", "manifests", "runs"):
        shutil.copytree(project / "results" / name, copy.with_name(name), dirs_exist_ok=True)
    monkeypatch.chdir(copy)
    verify.main(["."])
