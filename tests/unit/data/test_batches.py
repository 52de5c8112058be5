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
