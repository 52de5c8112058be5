import pytest
import torch
from torch import nn

from handgrad.comparison import TRAINERS, compare_models
from handgrad.data.batches import Batches
from handgrad.networks import MyMLP

COMBINATIONS = [{"lr": 0.05}, {"lr": 0.05, "weight_decay": 0.01, "momentum": 0.9}]


def compare(trainers=TRAINERS):
    inputs = torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batches = Batches(inputs, (inputs[:, 0] > 0).long(), 16)

    def make_model():
        return MyMLP(6, (8,), 2).double()

    return compare_models(
        COMBINATIONS, make_model, nn.CrossEntropyLoss(), batches, batches, 3, trainers=trainers
    )


def test_every_combination_is_trained_by_every_trainer_from_the_same_weights_to_the_same_bits():
    comparisons = compare()
    assert [comparison.hyperparameters for comparison in comparisons] == COMBINATIONS
    for comparison in comparisons:
        assert list(comparison.models) == list(TRAINERS)
        assert set(comparison.agreements) == {"train_manual_update", "train_manual_backprop"}
        assert all(agreement == (0.0, 0.0, True) for agreement in comparison.agreements.values())
        assert len(set(comparison.validation_accuracies.values())) == 1
    assert comparisons[0].histories["train"] != comparisons[1].histories["train"]


def test_an_unknown_trainer_is_refused():
    with pytest.raises(
        ValueError, match="no trainer is named 'adam'; expected one of train, train_manual_update"
    ):
        compare(("train", "adam"))
