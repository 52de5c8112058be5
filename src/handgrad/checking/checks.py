"""The public checks: of a function, of a class, or of everything defined in a file."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from handgrad.checking.calling import accepts, described
from handgrad.checking.comparisons import comparison_findings
from handgrad.checking.gradients import gradient_findings
from handgrad.checking.loading import PARTS, Submission, SubmissionError, load
from handgrad.checking.networks import classifier_findings, maker, network_findings
from handgrad.checking.results import FAILED, NOTE, Finding, Result
from handgrad.checking.speed import backpropagation_speed, training_speed
from handgrad.checking.updates import train_findings, update_findings
from handgrad.checking.vectorisation import backpropagation_loops, training_loops
from handgrad.losses import LOSSES

Skipped = dict[str, str]


def check_backpropagation(function: Callable[..., Any], loss: str = "squared_error") -> Result:
    """Check a function `backpropagation(model, y_true, y_pred)` that fills `model.dL_dw` and `model.dL_db`.

    Its gradients are compared with autograd's and with central differences on small networks. If they differ,
    the result names the known mistake, or the pair of mistakes, that gives the same numbers.

    Args:
        function: the function to check, which may also take `loss`; parameters are recognised by name, in any
            order.
        loss: the loss that it differentiates: squared_error (the sum), mse or cross_entropy.

    Returns:
        The diagnosis, which is displayed as text in a notebook.

    Raises:
        ValueError: if the loss is unknown.
    """
    if loss not in LOSSES:
        raise ValueError(f"no loss is named {loss!r}; expected one of {', '.join(LOSSES)}")
    return Result(_backpropagation(function, loss, {}))


def check_update(function: Callable[..., Any]) -> Result:
    """Check a training function: `train_manual_update(n_epochs, lr, model, loss_fn, train_loader, ...)`.

    Entire trajectories are compared with those of `torch.optim.SGD`, for several learning rates, weight
    decays and momenta, as far as the function has parameters for these. A function with a parameter
    `optimizer` is checked as `train`.
    """
    return Result(
        _training(function, "train" if accepts(function, "optimizer") else "train_manual_update", {})
    )


def check_network(cls: Callable[..., Any]) -> Result:
    """Check a network class whose constructor takes a list of widths, like MyNet, or no arguments."""
    check = network_findings if accepts(cls, "n_l") else classifier_findings
    return Result(check(cls, getattr(cls, "__name__", "network")))


def check_file(path: str | Path) -> Result:
    """Check everything defined in a script or notebook; see `handgrad.checking.loading.load`.

    The code runs in the current process; `handgrad check` and the rule `check` run it in a separate process
    with resource limits.

    Raises:
        SubmissionError: if the file cannot be used; the message gives the cell and line.
    """
    return check_submission(load(Path(path)))


def check_submission(submission: Submission, progress: Callable[[str], None] = lambda part: None) -> Result:
    """Check each part of a submission; `progress` is called with the part's name before its check."""
    findings: list[Finding] = []
    for part in (part for part in PARTS if part in submission.parts):
        progress(part)
        try:
            findings += _part(submission, part, findings)
        except SubmissionError as error:
            findings.append(Finding(part, "limits", FAILED, str(error)))
        except Exception as error:
            # No form of submission may end the check of the others.
            text = f"cannot be checked: has a form that the check does not expect ({described(error, {})})"
            findings.append(Finding(part, "form", FAILED, text))
    return Result(findings)


def _part(submission: Submission, part: str, before: list[Finding]) -> list[Finding]:
    defined, skipped = submission.parts[part], submission.skipped
    if part in ("MyNet", "MyMLP"):
        check = network_findings if accepts(defined, "n_l") else classifier_findings
        return check(defined, part, skipped)
    if part == "backpropagation":
        findings = _backpropagation(defined, "squared_error", skipped)
        own = submission.parts.get("MyNet")
        if own and all(finding.status != FAILED for finding in before if finding.part == "MyNet"):
            findings = _with_own_network(defined, own, findings, skipped)
        if _failed(findings):
            others = gradient_findings(defined, "cross_entropy", skipped=skipped)
            if not _failed(others):
                remark = Finding(
                    part, "loss", NOTE, "the gradients are those of the cross entropy of class labels"
                )
                timed = [finding for finding in findings if finding.check in ("vectorisation", "speed")]
                return [*others, remark, *timed]
        return findings
    if part in ("train", "train_manual_update"):
        return _training(defined, part, skipped)
    untrusted = [f.part for f in before if f.status == FAILED and f.part in ("train", "train_manual_update")]
    return comparison_findings(defined, untrusted, skipped)


def _failed(findings: list[Finding]) -> bool:
    return any(finding.status == FAILED for finding in findings)


def _backpropagation(function: Callable[..., Any], loss: str, skipped: Skipped) -> list[Finding]:
    findings = gradient_findings(function, loss, skipped=skipped)
    with suppress(SubmissionError):  # what stops it is among the findings already, or depends on the size
        findings.append(backpropagation_loops(function, loss))
        if loss == "squared_error":
            findings.append(backpropagation_speed(function))
    return findings


def _with_own_network(
    function: Callable[..., Any], own: Callable[..., Any], findings: list[Finding], skipped: Skipped
) -> list[Finding]:
    """Use the findings on the submission's own networks if it is right, or wrong, only with those."""
    with_own = gradient_findings(function, make=maker(own, skipped), skipped=skipped)
    if not _failed(with_own) and "stops with an error" in findings[0].summary:
        remark = Finding("backpropagation", "networks", NOTE, "runs with the MyNet of this file only")
        return [*with_own, remark]
    if not _failed(with_own) and _failed(findings[:1]):
        text = "right with the MyNet of this file, not with other activations: use model.df[l]"
        return [*with_own, Finding("backpropagation", "networks", NOTE, text)]
    if _failed(with_own) and not _failed(findings):
        first = with_own[0]
        text = f"with the MyNet of this file: {first.summary}"
        return [
            Finding(first.part, first.check, first.status, text, first.mistakes, first.details, first.data),
            *findings[1:],
        ]
    return findings


def _training(function: Callable[..., Any], part: str, skipped: Skipped) -> list[Finding]:
    find = train_findings if part == "train" else update_findings
    findings = find(function, skipped)
    with suppress(SubmissionError):
        findings.append(training_loops(function, part, skipped))
        findings.append(training_speed(function, part, skipped))
    return findings
