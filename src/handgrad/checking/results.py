"""The findings of a check, and their presentation as text."""

from dataclasses import asdict, dataclass, field
from typing import Any

PASSED, FAILED, NOTE = "passed", "failed", "note"
BY_HAND = "by hand"  # the check whose note says that PyTorch does what the function should do
_SIGNS = {PASSED: "ok  ", FAILED: "FAIL", NOTE: "note"}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        part: what was checked, such as "backpropagation".
        check: the name of the check, such as "gradients".
        status: PASSED, FAILED, or NOTE for a remark that does not count against the part.
        summary: a one-line summary.
        mistakes: the names of the known mistakes that give these numbers; empty if there are none.
        details: additional lines: formulas, numbers, advice.
        data: data for the figures in the report.
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
    """All findings of a check; print the object, or display it in a notebook, to see the diagnosis."""

    findings: list[Finding]

    @property
    def passed(self) -> bool:
        return all(finding.status != FAILED for finding in self.findings)

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The names of all mistakes found."""
        return tuple(name for finding in self.findings for name in finding.mistakes)

    def as_dict(self) -> dict[str, Any]:
        """The result as a JSON-compatible dict."""
        return {"passed": self.passed, "findings": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        parts = dict.fromkeys(finding.part for finding in self.findings)
        return "\n".join(self._part(part) for part in parts)

    __repr__ = __str__

    def _part(self, part: str) -> str:
        findings = [finding for finding in self.findings if finding.part == part]
        wrong = any(finding.status == FAILED for finding in findings)
        by_hand = all(finding.check != BY_HAND for finding in findings)
        verdict = "WRONG" if wrong else "correct" if by_hand else "correct, but not by hand"
        return "\n".join([f"{part}: {verdict}", *map(str, findings)])
