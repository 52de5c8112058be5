"""Upper bounds on memory and disk: worked examples, and a training that stays below its bound."""

import subprocess
import sys

import pytest

from handgrad.hyperparameters import Combination
from handgrad.networks import MyMLP
from handgrad.pipeline.needs import disk_mb, images, parameters, training_mb

WIDE = Combination(hidden=(65536, 65536))


def config(**changes):
    return {
        "dtype": "float64",
        "data": {
            "source": "auto",
            "classes": ["airplane", "bird"],
            "images_per_class": None,
            "validation_fraction": 0.1,
        },
        "training": {"trainers": ["train"], "checkpoint_every": 0},
    } | changes


def few_images(number):
    return {"data": config()["data"] | {"source": "synthetic", "images_per_class": number}}


def test_two_classes_of_cifar10_have_12000_images():
    assert images(config()) == 12_000
    assert images(config(**few_images(100))) == 240


@pytest.mark.parametrize("hidden", [[8], [512, 128, 32]])
def test_the_parameters_are_those_of_the_network(hidden):
    assert parameters([3072, *hidden, 2]) == sum(p.numel() for p in MyMLP(3072, hidden, 2).parameters())


def test_a_wide_network_needs_the_memory_of_its_weights():
    # 65,536 times 65,536 weights in float64 are 34,360 MB; six copies at most.
    assert 6 * 34_360 < training_mb(config(), [Combination(), WIDE]) < 7 * 36_000


def test_many_runs_need_the_disk_of_their_models():
    # 1,643,810 parameters in float64 are 13.15 MB.
    more = disk_mb(config(), 1001 * [Combination()]) - disk_mb(config(), [Combination()])
    assert more == pytest.approx(13_150, rel=0.01)


def test_float32_needs_half():
    half = training_mb(config(dtype="float32"), [WIDE])
    assert half == pytest.approx(training_mb(config(), [WIDE]) / 2, rel=0.01)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak memory is read from /proc")
def test_a_training_stays_below_the_bound_and_above_a_third_of_it():
    bound = training_mb(config(**few_images(1000)), [Combination(hidden=(2048, 1024))])
    program = (
        "import torch\n"
        "from pathlib import Path\n"
        "from torch import nn\n"
        "from handgrad.data.batches import Batches\n"
        "from handgrad.networks import MyMLP\n"
        "from handgrad.training import TRAINERS\n"
        "x = torch.randn(2000, 3072).double(); y = torch.randint(2, (2000,))\n"
        "model = MyMLP(3072, [2048, 1024], 2).double()\n"
        "TRAINERS['train_manual_backprop'](1, lr=0.01, momentum=0.9, model=model,"
        " loss_fn=nn.CrossEntropyLoss(), train_loader=Batches(x, y, 256), val_loader=Batches(x, y, 200))\n"
        # ru_maxrss would include the memory of pytest: Linux keeps it across fork and exec.
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    used_mb = int(subprocess.check_output([sys.executable, "-c", program], text=True)) * 1024 / 1e6
    assert bound / 3 < used_mb < bound
