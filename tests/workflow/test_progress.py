"""Progress: bars on a terminal, Snakemake's messages in a pipe, one line per epoch in a training's log."""

import os
import pty
import subprocess
import sys

from helpers.projects import environment, run


def on_a_terminal(folder, *options):
    """Run Snakemake on a terminal; return its exit code and output, including control sequences."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *options],
        cwd=folder,
        env=environment(folder, TERM="xterm-256color", COLUMNS="120", LINES="40"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 1 << 16):
            shown += chunk
    except OSError:  # on Linux, this means that the other end is closed
        pass
    os.close(master)
    return process.wait(), shown.decode()


def test_a_terminal_shows_bars_and_no_wall_of_text(project):
    code, shown = on_a_terminal(project, "--cores", "2", "--forcerun", "train")
    assert code == 0, shown
    assert "epoch 2 of 2 · validation accuracy" in shown or "6 of 6 · best validation accuracy" in shown
    for word in ("reason:", "wildcards:", "Job stats", "Finished jobid"):
        assert word not in shown


def test_a_terminal_shows_the_error_of_a_failed_job(project):
    (project / "src/handgrad/stages/figures.py").write_text('raise SystemExit("error: planted")\n')
    code, shown = on_a_terminal(project, "--cores", "2")
    assert code == 1
    assert "Error in rule figures:" in shown
    assert "error: planted" in shown


def test_a_pipe_gets_the_lines_of_snakemake(project):
    output = run(project, "--forcerun", "report")
    assert "Job stats" in output
    assert "Finished jobid" in output
    assert "━" not in output


def test_a_training_log_has_a_line_for_each_epoch(finished_run):
    folder, _ = finished_run
    logs = list((folder / "logs/train").rglob("*.log"))
    assert len(logs) == 6
    for log in logs:
        lines = [line for line in log.read_text().splitlines() if line.startswith("epoch ")]
        assert [line.split()[1].partition("/")[0] for line in lines] == ["1", "2"]
