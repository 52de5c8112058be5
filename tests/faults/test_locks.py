"""Two runs in one folder: the second exits with a message, and the first completes as if it were alone."""

import getpass
import os
import signal

import pytest
from helpers.processes import jobs, start, wait_for
from helpers.projects import planned, run, snakemake

AGAIN = ("--cores", "1", "--forcerun", "figures")


@pytest.fixture
def first(project):
    """A run whose first job is suspended."""
    process = start(project, *AGAIN)
    wait_for(lambda: jobs(project, "figures"))
    jobs(project, "figures")[0].suspend()
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_second_run_says_who_holds_the_lock_and_the_first_ends_well(project, first):
    second = snakemake(project, *AGAIN)
    assert second.returncode == 1
    assert f"This folder is locked by process {first.pid} of {getpass.getuser()} on " in second.stdout
    assert "Directory cannot be locked" in second.stdout
    assert str(project) in second.stdout
    assert "Traceback" not in second.stdout
    jobs(project, "figures")[0].resume()
    assert first.wait(timeout=300) == 0
    assert planned(project) == {}


def test_a_dry_run_beside_a_run_is_possible(project, first):
    assert "This folder is locked by process" in run(project, "--dry-run")
    assert first.poll() is None


def test_after_a_kill_the_message_names_the_dead_process_and_unlock_helps(project, first):
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    second = snakemake(project, *AGAIN)
    assert second.returncode == 1
    assert f"locked by process {first.pid} of" in second.stdout
    assert "--unlock" in second.stdout
    assert snakemake(project, "--unlock").returncode == 0
    assert "is locked" not in run(project, "--rerun-incomplete")
    assert planned(project) == {}
