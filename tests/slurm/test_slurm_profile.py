"""The pipeline with profiles/slurm on a real Slurm: bit-identical results, no training twice at once."""

import itertools
import re
import shutil

import pytest
from helpers import processes
from helpers.processes import jobs, wait_for
from helpers.projects import (
    SMALL_SETTINGS,
    copy_project,
    read_config,
    result_files,
    snakemake,
    write_config,
)

# Several minutes of scheduling.
pytestmark = pytest.mark.long

# The profile first checks the jobs' status after 20 s; these jobs are shorter.
PROFILE = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "3"]
COMBINATION = f"lr~0.01/weight_decay~0.01/momentum~0.9/{SMALL_SETTINGS}"


def without_a_combination(project):
    """The finished project without the three trainings of its second combination."""
    shutil.rmtree(project / "results/runs" / COMBINATION)
    (project / "results/comparison.json").unlink()
    return project


def test_results_through_slurm_equal_those_of_a_local_run(cluster, finished_run, small_config, tmp_path):
    finished, _ = finished_run
    project = copy_project(tmp_path / "project", small_config)
    result = snakemake(project, *PROFILE)
    assert result.returncode == 0, result.stdout
    assert result_files(project) == result_files(finished)
    [run_id] = re.findall(r"SLURM run ID: (\S+)", result.stdout)
    rules = [job.comment.split("_wildcards_")[0] for job in cluster.jobs() if job.name == run_id]
    assert sorted(rules) == [
        "rule_baselines",
        "rule_check_gradients",
        "rule_evaluate",
        "rule_figures",
        "rule_preflight",
        "rule_prepare",
        *(6 * ["rule_train"]),
    ]


def test_grouped_trainings_are_one_job_that_asks_for_the_cores_given(cluster, project):
    expected = result_files(project)
    earlier = len(cluster.jobs())
    without_a_combination(project)
    grouping = ["--groups", "train=train", "--group-components", "train=3", "--cores", "2"]
    result = snakemake(project, *PROFILE, *grouping, "results/comparison.json")
    assert result.returncode == 0, result.stdout
    [job] = cluster.jobs()[earlier:]
    # Two trainings, then one: the memory of two trainings, the time of two rounds.
    assert (job.cpus, job.memory, job.time_limit) == ("2", "4000M", "4:00:00")
    assert result_files(project) == expected


def test_failing_training_is_repeated_with_more_and_reported_with_rule_log_and_job(cluster, project):
    earlier = len(cluster.jobs())
    write_config(project, read_config(project) | {"device": "cuda"})
    (project / "src/handgrad/stages/train.py").write_text('raise SystemExit("error: planted")\n')
    model = f"results/runs/{COMBINATION}/seed~256/train/model.safetensors"
    # Only this training: the preflight would also find that there is no GPU.
    only = ["--rerun-triggers", "mtime", "--forcerun", "train"]
    result = snakemake(project, *PROFILE, "--retries", "1", *only, "--", model)
    assert result.returncode == 1
    attempts = cluster.jobs()[earlier:]
    assert [(job.state, job.memory, job.time_limit, job.gpus) for job in attempts] == [
        ("FAILED", "2000M", "2:00:00", "gres:gpu:1"),
        ("FAILED", "4000M", "4:00:00", "gres:gpu:1"),
    ]
    for job in attempts:
        slurm_log = project / f"logs/slurm/rule_train/0.01_0.01_0.9_256_train/{job.id}.log"
        assert slurm_log.exists()
        [report] = re.findall(rf"Error in rule train.*?external_jobid: {job.id}\n", result.stdout, re.DOTALL)
        assert f"log: logs/train/{COMBINATION}/seed~256/train.log, {slurm_log}" in report
    assert result.stdout.count("\nerror: planted\n") == 2


def test_recovery_from_a_kill_gives_the_same_bits_and_runs_no_training_twice_at_once(cluster, project):
    expected = result_files(project)
    earlier = len(cluster.jobs())
    without_a_combination(project)
    command = [*PROFILE, "results/comparison.json"]
    killed = processes.start(project, *command)
    wait_for(lambda: jobs(project, "train"))
    killed.kill()
    killed.wait()
    assert jobs(project, "train"), "the jobs go on without Snakemake"

    # As documented in docs/cluster.md.
    [run_id] = re.findall(r"SLURM run ID: (\S+)", (project / "output.txt").read_text())
    cluster.command("scancel", "--name", run_id)
    wait_for(lambda: not cluster.command("squeue", "--noheader", "--name", run_id))
    assert not jobs(project)
    assert snakemake(project, "--unlock").returncode == 0
    result = snakemake(project, *command, "--rerun-incomplete")
    assert result.returncode == 0, result.stdout

    assert result_files(project) == expected
    submitted = cluster.jobs()[earlier:]
    assert {job.state for job in submitted if job.name == run_id} <= {"CANCELLED", "COMPLETED"}
    assert {job.state for job in submitted if job.name != run_id} == {"COMPLETED"}
    trainings = {job.comment for job in submitted}
    assert len(trainings) == 3
    for training in trainings:
        runs = [job for job in submitted if job.comment == training and job.start != "N/A"]
        for first, second in itertools.pairwise(runs):
            assert first.end <= second.start, f"jobs {first.id} and {second.id} ran {training} at once"
