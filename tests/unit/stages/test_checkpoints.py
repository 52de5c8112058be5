import pytest
import torch

from handgrad.networks import MyMLP
from handgrad.stages.checkpoints import load_checkpoint, save_checkpoint, settings_hash
from handgrad.training import History

pytestmark = pytest.mark.slow

HISTORY = History([0.7, 0.6], [0.8, float("inf")], [0.5, 0.75], [0.5, 0.25])


def make_model(seed):
    torch.manual_seed(seed)
    return MyMLP(4, (3,), 2).double()


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "run" / "checkpoint.safetensors"
    momentum_buffers = [torch.full((3, 4), 0.1, dtype=torch.float64), None, None, None]
    save_checkpoint(path, "settings", make_model(1), momentum_buffers, HISTORY, make_model(4).state_dict())
    return path


def assert_left_aside(path, settings="settings"):
    model = make_model(2)
    assert load_checkpoint(path, settings, model) == (History(), [None] * 4, {})
    assert all(map(torch.equal, model.parameters(), make_model(2).parameters()))


def test_a_checkpoint_brings_back_parameters_momentum_and_history(saved):
    model = make_model(2)
    history, momentum_buffers, best = load_checkpoint(saved, "settings", model)
    assert history == HISTORY
    assert all(map(torch.equal, model.parameters(), make_model(1).parameters()))
    assert momentum_buffers[0].tolist() == [[0.1] * 4] * 3
    assert momentum_buffers[1:] == [None] * 3
    assert {name: tensor.tolist() for name, tensor in best.items()} == {
        name: tensor.tolist() for name, tensor in make_model(4).state_dict().items()
    }


def test_without_a_checkpoint_training_starts_at_the_first_epoch(tmp_path):
    assert_left_aside(tmp_path / "checkpoint.safetensors")


def test_a_checkpoint_of_other_settings_is_left_aside(saved):
    assert_left_aside(saved, "other settings")


def test_a_checkpoint_cut_short_anywhere_is_left_aside(saved):
    content = saved.read_bytes()
    for length in range(len(content)):
        saved.write_bytes(content[:length])
        assert_left_aside(saved)


def test_a_checkpoint_with_any_byte_changed_is_left_aside(saved):
    content = saved.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        saved.write_bytes(damaged)
        assert_left_aside(saved)


def test_a_newer_checkpoint_takes_the_place_of_the_older_one(saved):
    newer = History([0.7, 0.6, 0.5], [0.8, 0.7, 0.6], [0.5] * 3, [0.5] * 3)
    save_checkpoint(saved, "settings", make_model(3), [None] * 4, newer, {})
    assert load_checkpoint(saved, "settings", make_model(2))[0] == newer
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint.safetensors"]


def test_settings_and_data_decide_the_hash(tmp_path):
    data = tmp_path / "train.safetensors"
    data.write_bytes(b"data")
    before = settings_hash({"lr": 0.1, "seed": 1}, [data])
    assert settings_hash({"seed": 1, "lr": 0.1}, [data]) == before
    assert settings_hash({"lr": 0.2, "seed": 1}, [data]) != before
    data.write_bytes(b"date")
    assert settings_hash({"lr": 0.1, "seed": 1}, [data]) != before
