import pytest
import torch

from handgrad import MyMLP
from handgrad.checking.comparisons import comparison_findings
from handgrad.checking.results import FAILED, NOTE, PASSED


def differences(measure):
    def compare_models(model1, model2):
        return sum(measure(p - q) for p, q in zip(model1.parameters(), model2.parameters(), strict=True))

    return compare_models


@pytest.mark.parametrize(
    ("measure", "status", "words"),
    [
        (lambda d: d.abs().max().item(), PASSED, "tells equal models"),
        (lambda d: d.sum().item(), FAILED, "whose differences add up to zero"),
        (lambda d: d.ndim, FAILED, "differ in any parameter"),
        (lambda d: d[-1, -1].item() if d.ndim == 2 else 0, FAILED, "differ in fc.1.bias"),
    ],
)
def test_a_comparison_of_two_models_must_tell_different_models(measure, status, words):
    (finding,) = comparison_findings(differences(measure), [])
    assert finding.status == status
    assert words in finding.summary


def training(make, second_momentum=1.0):
    """A compare_models that trains twice; `make` returns the two models."""

    def compare_models(n_epochs, lr, loss_fn, train_loader, momentum):
        models = make()
        for model, factor in zip(models, (1.0, second_momentum), strict=True):
            optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum * factor)
            for _ in range(n_epochs):
                for inputs, labels in train_loader:
                    optimizer.zero_grad()
                    loss_fn(model(inputs), labels).backward()
                    optimizer.step()

    return compare_models


def seeded(*seeds):
    def make():
        for seed in seeds:
            torch.manual_seed(seed)
            yield MyMLP(hidden=(4,))

    return lambda: list(make())


def same_twice():
    return [MyMLP(hidden=(4,))] * 2


@pytest.mark.parametrize(
    ("function", "untrusted", "status", "words"),
    [
        (training(seeded(1, 1)), [], PASSED, "start from equal weights, and each ends equal"),
        (training(seeded(1, 2)), [], FAILED, "start from different weights"),
        (training(same_twice), [], FAILED, "trains the same model twice"),
        (training(seeded(1, 1), 0.5), [], FAILED, "end apart"),
        (training(seeded(1, 1), 0.5), ["train"], NOTE, "because of train"),
        (lambda text: text, [], NOTE, "not checked"),
    ],
)
def test_models_trained_for_a_comparison_must_start_and_end_together(function, untrusted, status, words):
    (finding,) = comparison_findings(function, untrusted)
    assert finding.status == status
    assert words in finding.summary
