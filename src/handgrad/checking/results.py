"""What a check found, and how it reads."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

PASSED, FAILED, NOTE = "passed", "failed", "note"
_SIGNS = {PASSED: "ok  ", FAILED: "FAIL", NOTE: "note"}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        part: what was checked, such as "backpropagation".
        check: the check, such as "gradients".
        status: PASSED, FAILED, or NOTE for a remark that does not count against the part.
        summary: one line.
        mistakes: the names of the mistakes of the catalogue that give these numbers; empty if none does.
        details: further lines: formulas, numbers, advice.
        data: what the figures of the report show.
    """

    part: str
    check: str
    status: str
    summary: str
    mistakes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"  {_SIGNS[self.status]}  {self.check}: {self.summary}"]
        return "\n".join([*lines, *(f"          {line}" for line in self.details)])


@dataclass(frozen=True)
class Result:
    """All the findings of a call; `print` it, or let a notebook show it, for the diagnosis."""

    findings: list[Finding]

    @property
    def passed(self) -> bool:
        return all(finding.status != FAILED for finding in self.findings)

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The names of all the mistakes found."""
        return tuple(name for finding in self.findings for name in finding.mistakes)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON holds it."""
        return {"passed": self.passed, "findings": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        parts = dict.fromkeys(finding.part for finding in self.findings)
        return "\n".join(self._part(part) for part in parts)

    __repr__ = __str__

    def _part(self, part: str) -> str:
        findings = [finding for finding in self.findings if finding.part == part]
        wrong = any(finding.status == FAILED for finding in findings)
        return "\n".join([f"{part}: {'WRONG' if wrong else 'correct'}", *map(str, findings)])


def joined(results: Iterable[Result]) -> Result:
    return Result([finding for result in results for finding in result.findings])
