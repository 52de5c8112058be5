import functools

import nbformat
import pytest
import torch
from helpers.projects import ROOT
from nbformat.v4 import new_code_cell, new_notebook
from torch import nn

from handgrad import Batches, History, MyMLP, train_manual_update
from handgrad.checking.loading import SubmissionError
from handgrad.checking.trainers import load_trainer

SOLUTION = ROOT / "exercises/solution.py"


def trained(trainer, **sgd):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(50, 12, generator=generator, dtype=torch.float64)
    labels = (inputs[:, 0] > 0).long()
    torch.manual_seed(1)
    model = MyMLP(12, (8, 6), 2).double()
    history = trainer(
        3,
        model=model,
        loss_fn=nn.CrossEntropyLoss(),
        train_loader=Batches(inputs[:40], labels[:40], 16),
        val_loader=Batches(inputs[40:], labels[40:], 10),
        history=History(),
        **sgd,
    )
    return history, torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("part", ["backpropagation", "train_manual_update"])
def test_the_solution_trains_as_handgrad_does(part):
    sgd = {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9}
    history, parameters = trained(load_trainer(SOLUTION, part), **sgd)
    expected, expected_parameters = trained(train_manual_update, **sgd)
    assert torch.allclose(parameters, expected_parameters, rtol=0, atol=1e-12)
    for name in ("training_loss", "validation_loss", "training_accuracy", "validation_accuracy"):
        assert getattr(history, name) == pytest.approx(getattr(expected, name), rel=1e-12)


@pytest.mark.parametrize("part", ["backpropagation", "train_manual_update"])
def test_a_notebook_trains_and_each_epoch_is_reported(tmp_path, part):
    cells = [
        "%matplotlib inline\nimport torch\nfrom tqdm.notebook import tqdm",
        SOLUTION.read_text(),
        "train(unset)",
    ]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    (tmp_path / "ada.ipynb").write_text(nbformat.writes(notebook))
    reported = []
    trainer = functools.partial(
        load_trainer(tmp_path / "ada.ipynb", part),
        after_epoch=lambda history: reported.append(history.epochs),
    )
    history, parameters = trained(trainer, lr=0.1, momentum=0.9)
    _, expected = trained(train_manual_update, lr=0.1, momentum=0.9)
    assert torch.allclose(parameters, expected, rtol=0, atol=1e-12)
    assert reported == [1, 2, 3] == list(range(1, history.epochs + 1))


def test_a_setting_that_the_update_does_not_know_is_refused():
    with pytest.raises(SubmissionError, match="train_manual_update has no parameter for dampening"):
        trained(load_trainer(SOLUTION, "train_manual_update"), lr=0.1, momentum=0.9, dampening=0.1)


def test_a_part_that_is_missing_is_refused(tmp_path):
    (tmp_path / "ada.py").write_text("def backpropagation(model, y_true, y_pred): pass")
    with pytest.raises(SubmissionError, match=r"ada\.py: does not define train_manual_update"):
        load_trainer(tmp_path / "ada.py", "train_manual_update")
