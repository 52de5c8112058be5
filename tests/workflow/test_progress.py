"""Progress: bars for each rule with the optional plugin, a line for each epoch in a training's log."""

import re

from helpers.projects import run


def test_the_rich_logger_shows_a_bar_for_each_rule(project):
    output = run(project, "--logger", "rich", "--forcerun", "facts", FORCE_COLOR="1", TTY_COMPATIBLE="1")
    for rule in ("facts", "report", "render", "Total Progress"):
        assert re.search(rf"{rule}.*100%", output), output


def test_a_training_log_has_a_line_for_each_epoch(finished_run):
    folder, _ = finished_run
    logs = list((folder / "logs/train").rglob("*.log"))
    assert len(logs) == 6
    for log in logs:
        lines = [line for line in log.read_text().splitlines() if line.startswith("epoch ")]
        assert [line.split()[1].partition("/")[0] for line in lines] == ["1", "2"]
