import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from handgrad.data.batches import Batches


def test_batches_are_those_of_a_dataloader_without_shuffling():
    inputs, labels = torch.randn(10, 4), torch.arange(10)
    batches = Batches(inputs, labels, 4)
    expected = list(DataLoader(TensorDataset(inputs, labels), batch_size=4))
    for _ in range(2):
        found = list(batches)
        assert len(found) == len(batches) == 3
        for (x, y), (expected_x, expected_y) in zip(found, expected, strict=True):
            assert torch.equal(x, expected_x)
            assert torch.equal(y, expected_y)
    assert found[0][0].data_ptr() == inputs.data_ptr()


@pytest.mark.parametrize(
    ("labels", "batch_size", "message"), [(9, 4, "10 inputs and 9 labels"), (10, 0, "batch_size is 0")]
)
def test_batches_that_cannot_be_are_refused(labels, batch_size, message):
    with pytest.raises(ValueError, match=message):
        Batches(torch.zeros(10, 4), torch.zeros(labels), batch_size)


def shuffled(batches, epoch):
    batches.set_epoch(epoch)
    return torch.cat([labels for _, labels in batches]).tolist()


def test_shuffled_batches_have_every_sample_once_with_its_label():
    inputs = torch.arange(10.0)[:, None]
    batches = Batches(inputs, torch.arange(10), 4, shuffle_seed=1)
    found = list(batches)
    assert [len(labels) for _, labels in found] == [4, 4, 2]
    assert sorted(shuffled(batches, 1)) == list(range(10))
    assert all(x[:, 0].tolist() == labels.tolist() for x, labels in found)


def test_the_order_is_determined_by_the_seed_and_the_epoch():
    batches = [Batches(torch.zeros(50, 1), torch.arange(50), 16, shuffle_seed=seed) for seed in (1, 1, 2)]
    orders = [shuffled(batches[0], epoch) for epoch in (1, 2, 3)]
    # In any sequence of epochs, as in a resumed training.
    assert [shuffled(batches[1], epoch) for epoch in (3, 2, 1)] == orders[::-1]
    others = [shuffled(batches[2], epoch) for epoch in (1, 2, 3)]
    assert len({tuple(order) for order in orders + others}) == 6


def test_the_repr_is_short():
    assert repr(Batches(torch.zeros(50, 1), torch.zeros(50), 16)) == "Batches(50 samples, batch_size=16)"
