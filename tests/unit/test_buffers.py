import copy

import pytest
import torch
from torch.nn import functional

from handgrad.activations import ACTIVATIONS
from handgrad.backprop import backpropagation
from handgrad.buffers import Buffers
from handgrad.networks import MyMLP, MyNet

float64 = torch.float64

LOSSES = {
    "squared_error": lambda y_pred, y_true: ((y_pred - y_true) ** 2).sum(),
    "mse": functional.mse_loss,
    "cross_entropy": functional.cross_entropy,
}


def draw_targets(loss, samples, outputs, dtype):
    if loss == "cross_entropy":
        return torch.randint(outputs, (samples,))
    return torch.randn(samples, outputs, dtype=dtype)


def as_bytes(tensors):
    """The bytes of a tensor, so that comparisons include NaN and the sign of zero."""
    return [tensor.detach().numpy().tobytes() for tensor in tensors]


def assert_the_bits_of_autograd(model, buffers, inputs, y_true, loss):
    y_pred = model(inputs)
    value = LOSSES[loss](y_pred, y_true)
    reference = torch.autograd.grad(value, list(model.parameters()))
    assert as_bytes([buffers.forward(inputs)]) == as_bytes([y_pred])
    assert as_bytes([buffers.backward(y_true, loss)]) == as_bytes([value])
    assert as_bytes(buffers.gradients) == as_bytes(reference)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [float64, torch.float32])
@pytest.mark.parametrize(
    ("n_inputs", "hidden", "classes"),
    [
        (2, (3,), 2),
        (576, (128, 32), 10),
        pytest.param(3072, (512, 128, 32), 2, marks=pytest.mark.slow),
    ],
)
def test_the_classifier_has_the_bits_of_autograd(n_inputs, hidden, classes, dtype, threads):
    torch.manual_seed(1)
    model = MyMLP(n_inputs, hidden, classes).to(dtype)
    buffers = Buffers(model, 256)
    for samples in (256, 1, 32, 133, 256):
        inputs = torch.randn(samples, n_inputs, dtype=dtype)
        y_true = torch.randint(classes, (samples,))
        assert_the_bits_of_autograd(model, buffers, inputs, y_true, "cross_entropy")


@pytest.mark.parametrize("dtype", [float64, torch.float32])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_loss_has_the_bits_of_autograd(activation, loss, dtype):
    torch.manual_seed(2)
    for n_l in ([5, 4, 3], [4, 3], [7, 9, 8, 17, 10]):
        model = MyNet(n_l, activation).to(dtype)
        buffers = Buffers(model, 32)
        for samples in (32, 7, 1):
            inputs = 3 * torch.randn(samples, n_l[0], dtype=dtype)
            y_true = draw_targets(loss, samples, n_l[-1], dtype)
            assert_the_bits_of_autograd(model, buffers, inputs, y_true, loss)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradients_are_those_of_the_plain_function(activation, loss):
    torch.manual_seed(3)
    model = MyNet([5, 6, 4, 3], activation).double()
    buffers = Buffers(model, 7)
    inputs = torch.randn(7, 5, dtype=float64)
    y_true = draw_targets(loss, 7, 3, float64)
    backpropagation(model, y_true, model(inputs), loss)
    buffers.forward(inputs)
    buffers.backward(y_true, loss)
    plain = [gradient for layer in (1, 2, 3) for gradient in (model.dL_dw[layer], model.dL_db[layer])]
    for gradient, expected in zip(buffers.gradients, plain, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("learning_rate", [0.1, 1e3, 1e200])
def test_a_training_has_the_bits_of_autograd_even_where_it_diverges(learning_rate):
    torch.manual_seed(4)
    model = MyMLP(8, (16, 8), 2).double()
    reference = copy.deepcopy(model)
    buffers = Buffers(model, 10)
    for _ in range(12):
        inputs, y_true = torch.randn(10, 8, dtype=float64), torch.randint(2, (10,))
        assert_the_bits_of_autograd(reference, buffers, inputs, y_true, "cross_entropy")
        gradients = torch.autograd.grad(
            functional.cross_entropy(reference(inputs), y_true), list(reference.parameters())
        )
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), buffers.gradients, strict=True):
                parameter.add_(gradient, alpha=-learning_rate)
            for parameter, gradient in zip(reference.parameters(), gradients, strict=True):
                parameter.add_(gradient, alpha=-learning_rate)
        assert as_bytes(model.parameters()) == as_bytes(reference.parameters())
    diverged = not all(parameter.isfinite().all() for parameter in model.parameters())
    assert diverged == (learning_rate == 1e200)


def test_the_gradients_lie_as_the_parameters_do_and_stay_where_they_are():
    model = MyMLP(6, (5, 4), 3)
    buffers = Buffers(model, 8)
    gradients, addresses = buffers.gradients, [gradient.data_ptr() for gradient in buffers.gradients]
    for samples in (8, 3):
        buffers.forward(torch.randn(samples, 6))
        buffers.backward(torch.randint(3, (samples,)))
    assert buffers.gradients is gradients
    assert [gradient.data_ptr() for gradient in gradients] == addresses
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        assert gradient.shape == parameter.shape
        assert gradient.stride() == parameter.stride()


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if ACTIVATIONS[name].in_place])
def test_a_step_allocates_nothing_that_grows_with_the_hidden_layers(activation):
    model = MyMLP(100, (200, 150), 2, activation)
    buffers = Buffers(model, 16)
    inputs, y_true = torch.randn(16, 100), torch.randint(2, (16,))
    buffers.forward(inputs)
    buffers.backward(y_true)
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        buffers.forward(inputs)
        buffers.backward(y_true)
    # The smallest gradient of a hidden layer, db with 150 float32 values, has 600 bytes.
    assert max(event.cpu_memory_usage for event in profile.function_events) < 600


def test_inputs_of_any_shape_are_flattened():
    model = MyMLP(12, (5,), 2)
    images = torch.randn(4, 3, 2, 2)
    assert torch.equal(Buffers(model, 4).forward(images), model(images))


def refusal(action):
    with pytest.raises(ValueError) as error:
        action()
    return str(error.value)


def test_batches_that_do_not_fit_are_refused():
    buffers = Buffers(MyMLP(6, (5,), 2), 8)
    assert refusal(lambda: buffers.forward(torch.randn(9, 6))) == (
        "9 samples; expected 1 to 8, the buffers' batch size"
    )
    assert refusal(lambda: buffers.forward(torch.randn(0, 6))).startswith("0 samples")


def test_backward_before_forward_is_refused():
    assert "no forward pass has been run" in refusal(
        lambda: Buffers(MyMLP(6, (5,), 2), 8).backward(torch.tensor([0]))
    )


@pytest.mark.parametrize("y_true", [[0, 2, 1], [0, -1, 1], [0, -100, 1]])
def test_classes_out_of_range_are_refused(y_true):
    buffers = Buffers(MyMLP(6, (5,), 2), 8)
    buffers.forward(torch.randn(3, 6))
    assert refusal(lambda: buffers.backward(torch.tensor(y_true))).endswith("expected 0 to 1")


@pytest.mark.parametrize("y_true", [[0, 1], [0, 1, 1, 0], [0.0, 1.0, 1.0], [[0, 1, 1]]])
def test_what_is_no_list_of_classes_is_refused(y_true):
    buffers = Buffers(MyMLP(6, (5,), 2), 8)
    buffers.forward(torch.randn(3, 6))
    assert "expected class indices, torch.int64 of the shape [3]" in refusal(
        lambda: buffers.backward(torch.tensor(y_true))
    )


def test_a_wrong_loss_or_target_is_refused():
    buffers = Buffers(MyMLP(6, (5,), 2), 8)
    buffers.forward(torch.randn(3, 6))
    assert "no loss is named 'hinge'" in refusal(lambda: buffers.backward(torch.zeros(3, 2), "hinge"))
    assert refusal(lambda: buffers.backward(torch.zeros(3), "mse")).startswith(
        "y_true has the shape [3]; expected that of y_pred, [3, 2]"
    )


def test_an_activation_without_an_in_place_form_falls_back_to_its_function_and_derivative():
    torch.manual_seed(5)
    model = MyNet([4, 5, 3], "identity").double()
    model.f[1], model.df[1] = torch.sin, torch.cos
    buffers = Buffers(model, 6)
    inputs, y_true = torch.randn(6, 4, dtype=float64), torch.randint(3, (6,))
    assert_the_bits_of_autograd(model, buffers, inputs, y_true, "cross_entropy")
