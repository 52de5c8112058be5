"""Snakemake logger plugin `handgrad`: on a terminal, bars instead of Snakemake's lines.

It shows the running jobs, the epoch of each training, the best validation accuracy so far and an estimate of
the time left. Warnings and errors are printed above the bars as Snakemake words them. In a pipe, in a dry run
and with --verbose, Snakemake's own lines are left alone. profiles/default selects it (`logger: handgrad`).
"""

import re
import time
from dataclasses import dataclass, field
from logging import WARNING, LogRecord
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake.logging import DefaultFilter, DefaultFormatter, is_quiet_about
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

# The line that handgrad.training logs after each epoch.
EPOCH = re.compile(r"^epoch (\d+)/(\d+): .*; validation loss \S+, accuracy (\S+)$", re.MULTILINE)
BAR_WIDTH = 24
MAX_ROWS = 12
# Their messages are replaced by the bars.
SHOWN_AS_BARS = {
    LogEvent.JOB_INFO,
    LogEvent.GROUP_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.JOB_FINISHED,
    LogEvent.PROGRESS,
    LogEvent.RUN_INFO,
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RESOURCES_INFO,
}


@dataclass
class Job:
    """A running job; for a training, the epochs that its log reports."""

    rule: str
    wildcards: str
    log: Path | None
    started: float = field(default_factory=time.monotonic)
    position: int = 0
    epoch: int = 0
    epochs: int = 0
    accuracy: float | None = None

    def read_log(self) -> float | None:
        """Read what the log has gained; return the highest validation accuracy in it, if any."""
        if self.log is None or not self.log.is_file():
            return None
        with self.log.open("rb") as file:
            file.seek(self.position)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]  # the last line may be half-written
        self.position += len(whole)
        found = EPOCH.findall(whole.decode(errors="replace"))
        if not found:
            return None
        self.epoch, self.epochs, self.accuracy = int(found[-1][0]), int(found[-1][1]), float(found[-1][2])
        return max(float(accuracy) for _, _, accuracy in found)


class Progress:
    """The state of a run, from Snakemake's events and the logs of its trainings."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.done = 0
        self.total = 0
        self.trainings = 0
        self.trained = 0
        self.best: float | None = None
        self.first_training: float | None = None

    def handle(self, record: LogRecord) -> None:
        """Update the state by an event of Snakemake's."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            stats = record.stats  # type: ignore[attr-defined]
            self.total = stats["total"]
            self.trainings = sum(count for rule, count in stats.items() if is_training(rule))
        elif event == LogEvent.PROGRESS:
            self.done, self.total = record.done, record.total  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_INFO:
            self._start(record)
        elif event == LogEvent.JOB_FINISHED:
            self._end(record.job_id, succeeded=True)  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_ERROR:
            self._end(record.jobid, succeeded=False)  # type: ignore[attr-defined]

    def _start(self, record: LogRecord) -> None:
        rule, wildcards = record.rule_name, record.wildcards  # type: ignore[attr-defined]
        training = is_training(rule)
        log = Path(record.log[0]) if training and record.log else None  # type: ignore[attr-defined]
        if training and self.first_training is None:
            self.first_training = time.monotonic()
        values = " ".join(map(str, dict(wildcards).values()))
        self.jobs[record.jobid] = Job(rule, values, log)  # type: ignore[attr-defined]

    def _end(self, job_id: int, succeeded: bool) -> None:
        job = self.jobs.pop(job_id, None)
        if job is not None and job.log is not None and succeeded:
            self._read(job)
            self.trained += 1

    def _read(self, job: Job) -> None:
        try:
            accuracy = job.read_log()
        except OSError:  # on a network file system, a log may come and go
            return
        if accuracy is not None:
            self.best = accuracy if self.best is None else max(self.best, accuracy)

    def share_trained(self) -> float:
        """The number of trainings done, running ones in part."""
        return self.trained + sum(job.epoch / job.epochs for job in self.jobs.values() if job.epochs)

    def time_left(self) -> str:
        """An estimate for the trainings, at the pace so far; empty where there is none yet."""
        share = self.share_trained()
        if self.first_training is None or not 0 < share < self.trainings:
            return ""
        seconds = (time.monotonic() - self.first_training) * (self.trainings - share) / share
        return f"about {duration(seconds)} left"

    def render(self) -> Group:
        """The bars, with what the logs of the running trainings say now."""
        jobs = list(self.jobs.values())
        for job in jobs:
            self._read(job)
        overall = Table.grid(padding=(0, 1))
        if self.total:
            overall.add_row("Jobs", bar(self.done, self.total), f"{self.done} of {self.total}")
        if self.trainings:
            best = "" if self.best is None else f"best validation accuracy {self.best:.4f}"
            remarks = [f"{self.trained} of {self.trainings}", best, self.time_left()]
            overall.add_row(
                "Trainings", bar(self.share_trained(), self.trainings), " · ".join(filter(None, remarks))
            )
        running = Table.grid(padding=(0, 1))
        for job in jobs[:MAX_ROWS]:
            if job.epochs:
                status = f"epoch {job.epoch} of {job.epochs} · validation accuracy {job.accuracy:.4f}"
                running.add_row(bar(job.epoch, job.epochs), job.rule, job.wildcards, Text(status, "dim"))
            else:
                elapsed = duration(time.monotonic() - job.started)
                running.add_row("", job.rule, job.wildcards, Text(elapsed, "dim"))
        if len(jobs) > MAX_ROWS:
            running.add_row("", f"and {len(jobs) - MAX_ROWS} more", "", "")
        return Group(overall, running)


def is_training(rule: str) -> bool:
    """Whether a rule is `train`, under its own name or with the prefix of another workflow."""
    return rule == "train" or rule.endswith("_train")


def bar(completed: float, total: float) -> ProgressBar:
    return ProgressBar(total, completed, width=BAR_WIDTH)


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class LogHandler(LogHandlerBase):
    """What Snakemake makes of `--logger handgrad`."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.console = Console(stderr=not settings.stdout, highlight=False)
        self.shows_bars = (
            self.console.is_terminal
            and not self.console.is_dumb_terminal
            and not settings.dryrun
            and not settings.verbose
            and not is_quiet_about(settings.quiet or (), "progress")
        )
        self.progress = Progress()
        self.live = Live(get_renderable=self.progress.render, console=self.console, refresh_per_second=2)
        self.addFilter(
            DefaultFilter(
                settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
            )
        )
        self.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))

    def emit(self, record: LogRecord) -> None:
        """Show a record as bars or as text."""
        if not self.shows_bars:
            return
        try:
            event = getattr(record, "event", None)
            self.progress.handle(record)
            if event == LogEvent.RUN_INFO:
                self.live.start()
            # Once jobs run, what remains worth a line is what went wrong.
            elif event not in SHOWN_AS_BARS and (record.levelno >= WARNING or not self.live.is_started):
                text = self.format(record)
                if text and text != "None":
                    self.console.print(Text(text, style="red" if record.levelno > WARNING else ""))
            self._yield_to_the_download()
        except Exception:
            self.handleError(record)

    def _yield_to_the_download(self) -> None:
        """Hide the bars while the archive is fetched: that job draws a bar of its own on the terminal."""
        fetching = any(job.rule.endswith("fetch") for job in self.progress.jobs.values())
        if fetching and self.live.is_started:
            self.live.transient = True
            self.live.stop()
            self.live.transient = False
        elif not fetching and not self.live.is_started and self.progress.total:
            self.live.start()

    def close(self) -> None:
        self.live.stop()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return self.shows_bars

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False
