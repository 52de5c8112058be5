import itertools

import pytest
import torch

from handgrad.sgd import BLOCK, ManualSGD, sgd_update

# Scaled-down shapes of the default network, sizes that do not fill a SIMD vector, and one of several blocks.
SHAPES = [(16, 24), (16,), (8, 16), (2, 8), (2,), (17,), (3, 5), (2, BLOCK + 3)]
SETTINGS = [
    dict(zip(("weight_decay", "momentum", "dampening", "nesterov"), values, strict=True))
    for values in itertools.product((0.0, 0.01), (0.0, 0.01, 0.9), (0.0, 0.3), (False, True))
    if not (values[3] and (values[1] == 0 or values[2] != 0))
]


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def start(dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in SHAPES]


def run_default(dtype, steps, **settings):
    """The parameters after this many steps of PyTorch's default SGD."""
    parameters = [p.requires_grad_() for p in start(dtype)]
    optimizer = torch.optim.SGD(parameters, lr=0.01, **settings)
    for step in range(steps):
        for parameter, gradient in zip(parameters, start(dtype, step + 1), strict=True):
            parameter.grad = gradient
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_update_rule_has_the_bits_of_pytorchs_default_sgd(dtype, settings):
    parameters = start(dtype)
    buffers = [None] * len(parameters)
    for step in range(10):
        sgd_update(parameters, start(dtype, step + 1), buffers, 0.01, **settings)
    assert all(map(torch.equal, parameters, run_default(dtype, 10, **settings)))


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_block_by_block_the_bits_are_the_same(dtype, settings):
    sgd = ManualSGD(start(dtype), 0.01, **settings)
    for step in range(20):
        sgd.step(start(dtype, step + 1))
    assert all(map(torch.equal, sgd.parameters, run_default(dtype, 20, **settings)))


def test_parameters_and_gradients_in_another_memory_layout_are_updated_all_the_same():
    parameter, gradient = torch.randn(6, 4).T, torch.randn(4, 6)
    expected = parameter - 0.1 * gradient - 0.1 * 1.9 * gradient
    sgd = ManualSGD([parameter], 0.1, momentum=0.9)
    for _ in range(2):
        sgd.step([gradient.clone()])
    torch.testing.assert_close(parameter, expected)


def test_two_steps_by_hand():
    # p = 1, g = 0.5; lr 0.1, weight decay 0.2, momentum 0.5, dampening 0.25.
    # Step 1: g = 0.5 + 0.2 * 1 = 0.7       v = 0.7 (undamped)                   p = 1 - 0.1 * 0.7 = 0.93
    # Step 2: g = 0.5 + 0.2 * 0.93 = 0.686  v = 0.5 * 0.7 + 0.75 * 0.686 = 0.8645
    #         p = 0.93 - 0.1 * 0.8645 = 0.84355
    parameter, buffers = torch.ones(1, dtype=torch.float64), [None]
    for expected in (0.93, 0.84355):
        sgd_update([parameter], [torch.full((1,), 0.5, dtype=torch.float64)], buffers, 0.1, 0.2, 0.5, 0.25)
        assert parameter.item() == pytest.approx(expected, abs=1e-15)
    assert buffers[0].item() == pytest.approx(0.8645, abs=1e-15)


def test_nesterov_looks_ahead():
    # p = 1, g = 0.5; lr 0.1, momentum 0.5: v = 0.5, step 0.5 + 0.5 * 0.5 = 0.75, p = 0.925
    parameter = torch.ones(1, dtype=torch.float64)
    sgd_update(
        [parameter], [torch.full((1,), 0.5, dtype=torch.float64)], [None], 0.1, momentum=0.5, nesterov=True
    )
    assert parameter.item() == pytest.approx(0.925, abs=1e-15)


def test_momentum_buffers_continue_an_earlier_run():
    gradients = [start(torch.float64, step) for step in range(1, 5)]
    whole, parts = start(torch.float64), start(torch.float64)
    sgd = ManualSGD(whole, 0.1, momentum=0.9)
    for gradient in gradients:
        sgd.step([g.clone() for g in gradient])
    first = ManualSGD(parts, 0.1, momentum=0.9)
    for gradient in gradients[:2]:
        first.step([g.clone() for g in gradient])
    second = ManualSGD(parts, 0.1, momentum=0.9, momentum_buffers=first.momentum_buffers)
    for gradient in gradients[2:]:
        second.step([g.clone() for g in gradient])
    assert all(map(torch.equal, whole, parts))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -0.1}, "lr is -0.1"),
        ({"lr": 0.1, "momentum": -1.0}, "momentum is -1.0"),
        ({"lr": 0.1, "nesterov": True}, "expected a momentum above 0"),
        ({"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "nesterov": True}, "dampening 0.1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ManualSGD([torch.ones(1)], **settings)
