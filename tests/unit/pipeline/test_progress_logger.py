"""The logger plugin's state and text, given the events that Snakemake emits."""

import logging
import time

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_handgrad import Progress, duration, is_training


def event(kind, **values):
    record = logging.makeLogRecord({"msg": "", "levelno": logging.INFO})
    record.event = kind
    record.__dict__.update(values)
    return record


def start(progress, jobid, rule, log=(), **wildcards):
    progress.handle(event(LogEvent.JOB_INFO, jobid=jobid, rule_name=rule, log=list(log), wildcards=wildcards))


def text(progress):
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(progress.render())
    return capture.get()


@pytest.fixture
def progress():
    progress = Progress()
    progress.handle(event(LogEvent.RUN_INFO, stats={"prepare": 1, "train": 4, "all": 1, "total": 6}))
    return progress


def write_epochs(log, accuracies, epochs=10):
    lines = [
        f"epoch {epoch}/{epochs}: training loss 0.5, accuracy 0.7; validation loss 0.6, accuracy {accuracy}\n"
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]
    log.write_text("a first line of another kind\n" + "".join(lines))


def test_running_trainings_show_epoch_and_accuracy_and_the_best_so_far(progress, tmp_path):
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    write_epochs(first, ["0.5000", "0.9000", "0.7000"])
    start(progress, 1, "train", [first], lr="0.1", trainer="train_manual_update")
    start(progress, 2, "train", [second], lr="0.2", trainer="train")
    lines = text(progress)
    assert "0.1 train_manual_update epoch 3 of 10 · validation accuracy 0.7000" in lines
    assert "0 of 4 · best validation accuracy 0.9000" in lines
    # Only new lines are read; a partial line is left for later.
    write_epochs(second, ["0.6000", "0.9500"])
    second.write_text(second.read_text()[:-3])
    assert "0.2 train               epoch 1 of 10" in text(progress)
    write_epochs(second, ["0.6000", "0.9500"])
    assert "epoch 2 of 10 · validation accuracy 0.9500" in text(progress)
    assert "best validation accuracy 0.9500" in text(progress)


def test_an_ended_training_counts_whole_and_its_last_epochs_are_read(progress, tmp_path):
    log = tmp_path / "train.log"
    start(progress, 1, "train", [log])
    write_epochs(log, ["0.8000"])
    progress.handle(event(LogEvent.JOB_FINISHED, job_id=1))
    progress.handle(event(LogEvent.PROGRESS, done=2, total=6))
    assert "2 of 6" in text(progress)
    assert "1 of 4 · best validation accuracy 0.8000" in text(progress)


def test_a_failed_training_does_not_count(progress, tmp_path):
    start(progress, 1, "train", [tmp_path / "train.log"])
    progress.handle(event(LogEvent.JOB_ERROR, jobid=1))
    assert "0 of 4" in text(progress)
    assert progress.jobs == {}


def test_the_time_left_follows_the_pace_so_far(progress, tmp_path):
    assert progress.time_left() == ""
    log = tmp_path / "train.log"
    write_epochs(log, ["0.5"] * 5)
    start(progress, 1, "train", [log])
    progress.first_training = time.monotonic() - 60
    # Half of one of four trainings took a minute: seven halves are left.
    assert "about 7:00 left" in text(progress)


def test_many_jobs_at_once_do_not_fill_the_screen(progress):
    for job in range(100):
        start(progress, job, "train")
    assert "and 88 more" in text(progress)
    assert len(text(progress).splitlines()) < 20


@pytest.mark.parametrize(("rule", "expected"), [("train", True), ("net_train", True), ("retrain", False)])
def test_trainings_are_known_by_their_rule_also_in_a_module(rule, expected):
    assert is_training(rule) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(5.9, "0:05"), (83, "1:23"), (3723, "1:02:03")])
def test_durations_are_written_as_on_a_clock(seconds, expected):
    assert duration(seconds) == expected
