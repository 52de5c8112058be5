import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from handgrad.activations import ACTIVATIONS
from handgrad.backprop import backpropagation
from handgrad.networks import MyMLP, MyNet

float64 = torch.float64

LOSSES = {
    "squared_error": lambda y_pred, y_true: ((y_pred - y_true) ** 2).sum(),
    "mse": functional.mse_loss,
    "cross_entropy": functional.cross_entropy,
}


def rows(*values):
    return torch.tensor(values, dtype=float64)


def set_parameters(model, *parameters):
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), parameters, strict=True):
            parameter.copy_(torch.tensor(values, dtype=float64))


def draw_targets(loss, samples, outputs, dtype=float64):
    if loss == "cross_entropy":
        return torch.randint(outputs, (samples,))
    return torch.randn(samples, outputs, dtype=dtype)


def by_hand(model, inputs, y_true, loss):
    backpropagation(model, y_true, model(inputs), loss)
    return [part for layer in range(1, model.L + 1) for part in (model.dL_dw[layer], model.dL_db[layer])]


def by_autograd(model, inputs, y_true, loss):
    return torch.autograd.grad(LOSSES[loss](model(inputs), y_true), list(model.parameters()))


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def worked():
    """Two inputs, two relu units, one linear output; two samples.

    sample (1, 2), target -3          sample (2, 1), target -5
    z_1 = (1 - 2, 2 + 2 - 1)          z_1 = (2 - 1, 4 + 1 - 1)
        = (-1, 3),  a_1 = (0, 3)          = (1, 4),  a_1 = (1, 4)
    z_2 = 0 - 6 + 1 = -5              z_2 = 3 - 8 + 1 = -4
    """
    model = MyNet([2, 2, 1], ["relu", "identity"]).double()
    set_parameters(model, [[1.0, -1.0], [2.0, 1.0]], [0.0, -1.0], [[3.0, -2.0]], [1.0])
    return model, rows([1, 2], [2, 1]), rows([-3], [-5])


def test_squared_error_worked_by_hand(worked):
    model, inputs, y_true = worked
    backpropagation(model, y_true, model(inputs))
    # dL/dz_2 = 2 (z_2 - target):  2 (-5 + 3) = -4            2 (-4 + 5) = 2
    # dL/dW_2 = dL/dz_2 a_1:       (0, -12)          +        (2, 8)
    assert model.dL_dw[2].tolist() == [[2.0, -4.0]]
    assert model.dL_db[2].tolist() == [-2.0]
    # dL/da_1 = dL/dz_2 (3, -2):   (-12, 8)                   (6, -4)
    # dL/dz_1, where z_1 > 0:      (0, 8)                     (6, -4)
    # dL/dW_1 = dL/dz_1^T x:       [[0, 0], [8, 16]]  +       [[12, 6], [-8, -4]]
    assert model.dL_dw[1].tolist() == [[12.0, 6.0], [0.0, 12.0]]
    assert model.dL_db[1].tolist() == [6.0, 4.0]


def test_mse_is_the_mean_over_samples_and_outputs(worked):
    model, inputs, y_true = worked
    backpropagation(model, y_true, model(inputs), loss="mse")
    assert model.dL_dw[2].tolist() == [[1.0, -2.0]]
    assert model.dL_dw[1].tolist() == [[6.0, 3.0], [0.0, 6.0]]

    wide = MyNet([1, 4], "identity").double()
    set_parameters(wide, [[1.0], [1.0], [1.0], [1.0]], [0.0, 0.0, 0.0, 0.0])
    # 2 (1 - 0) / (2 samples x 4 outputs) for each of two samples
    backpropagation(wide, torch.zeros(2, 4, dtype=float64), wide(rows([1], [1])), loss="mse")
    assert wide.dL_dw[1].tolist() == [[0.5], [0.5], [0.5], [0.5]]


def test_cross_entropy_worked_by_hand():
    model = MyNet([1, 2], "identity").double()
    set_parameters(model, [[math.log(3)], [0.0]], [0.0, 0.0])
    # Logits (ln 3, 0) and (2 ln 3, 0): probabilities (3/4, 1/4) and (9/10, 1/10); classes 0 and 1.
    backpropagation(model, torch.tensor([0, 1]), model(rows([1], [2])), loss="cross_entropy")
    # (probabilities - onehot) / 2 samples: (-1/8, 1/8) and (9/20, -9/20); the inputs are 1 and 2.
    assert model.dL_db[1].tolist() == pytest.approx([0.325, -0.325], rel=1e-14)
    assert model.dL_dw[1].flatten().tolist() == pytest.approx([0.775, -0.775], rel=1e-14)


def test_the_activation_of_the_last_layer_is_differentiated_at_z():
    model = MyNet([1, 1]).double()
    set_parameters(model, [[0.25]], [0.25])
    backpropagation(model, rows([0.0]), model(rows([1.0])))
    # 2 tanh(1/2) / cosh(1/2)^2
    assert model.dL_dw[1].item() == pytest.approx(0.7268619814, rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n_l", [[2, 3, 2], [5, 4, 3], [7, 1, 1], [4, 3], [6] * 8 + [3]])
def test_gradients_are_those_of_autograd(n_l, activation, loss):
    torch.manual_seed(1)
    model = MyNet(n_l, activation).double()
    for samples in (1, 7, 32):
        inputs = torch.randn(samples, n_l[0], dtype=float64)
        y_true = draw_targets(loss, samples, n_l[-1])
        reference = by_autograd(model, inputs, y_true, loss)
        for gradient, expected in zip(by_hand(model, inputs, y_true, loss), reference, strict=True):
            assert gradient.shape == expected.shape
            assert (gradient - expected).abs().max() <= 1e-12 * expected.abs().max()


@settings(max_examples=40, deadline=None)
@given(
    n_l=st.lists(st.integers(1, 9), min_size=2, max_size=6),
    samples=st.integers(1, 12),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_gradients_of_random_networks_are_those_of_autograd(n_l, samples, seed, data):
    names = data.draw(
        st.lists(st.sampled_from(sorted(ACTIVATIONS)), min_size=len(n_l) - 1, max_size=len(n_l) - 1)
    )
    loss = data.draw(st.sampled_from(sorted(LOSSES)))
    torch.manual_seed(seed)
    model = MyNet(n_l, names).double()
    inputs = 3 * torch.randn(samples, n_l[0], dtype=float64)
    y_true = draw_targets(loss, samples, n_l[-1])
    reference = by_autograd(model, inputs, y_true, loss)
    scale = max(part.abs().max().item() for part in reference)
    for gradient, expected in zip(by_hand(model, inputs, y_true, loss), reference, strict=True):
        assert (gradient - expected).abs().max() <= 1e-12 * scale


@pytest.mark.parametrize("dtype", [float64, torch.float32])
@pytest.mark.parametrize(
    ("n_inputs", "hidden", "classes"),
    [
        (2, (3,), 2),
        (576, (128, 32), 10),
        pytest.param(3072, (512, 128, 32), 2, marks=pytest.mark.slow),
    ],
)
def test_cross_entropy_with_relu_has_the_bits_of_autograd(n_inputs, hidden, classes, dtype, threads):
    torch.manual_seed(2)
    model = MyMLP(n_inputs, hidden, classes).to(dtype)
    for samples in (1, 32, 133, 256):
        inputs = torch.randn(samples, n_inputs, dtype=dtype)
        y_true = torch.randint(classes, (samples,))
        reference = by_autograd(model, inputs, y_true, "cross_entropy")
        gradients = by_hand(model, inputs, y_true, "cross_entropy")
        assert all(map(torch.equal, gradients, reference))


class CourseNet(nn.Module):
    """Written like the networks in the course: lambdas, and dicts left empty until the first forward pass."""

    def __init__(self, n_l):
        super().__init__()
        self.L = len(n_l) - 1
        layers = range(1, self.L + 1)
        self.z = dict.fromkeys(layers)
        self.a = dict.fromkeys(range(self.L + 1))
        self.dL_dw = dict.fromkeys(layers)
        self.dL_db = dict.fromkeys(layers)
        self.f = {i: lambda x: torch.tanh(x) for i in layers}
        self.df = {i: lambda x: 1 / torch.cosh(x) ** 2 for i in layers}
        self.fc = nn.ModuleDict({str(i): nn.Linear(n_l[i - 1], n_l[i]) for i in layers})

    def forward(self, x):
        self.a[0] = x
        for i in range(1, self.L + 1):
            self.z[i] = self.fc[str(i)](self.a[i - 1])
            self.a[i] = self.f[i](self.z[i])
        return self.a[self.L]


def test_other_peoples_networks_with_any_batch_dimensions():
    torch.manual_seed(3)
    model = CourseNet([4, 5, 2]).double()
    for shape in ((4,), (1, 4), (6, 4), (2, 3, 4)):
        inputs = torch.randn(*shape, dtype=float64)
        y_true = torch.randn(*shape[:-1], 2, dtype=float64)
        reference = by_autograd(model, inputs, y_true, "squared_error")
        for gradient, expected in zip(
            by_hand(model, inputs, y_true, "squared_error"), reference, strict=True
        ):
            torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-13)


def test_neither_parameters_nor_autograd_are_touched():
    model = MyNet([3, 4, 2]).double()
    before = [parameter.clone() for parameter in model.parameters()]
    gradients = by_hand(model, torch.randn(5, 3, dtype=float64), torch.randn(5, 2, dtype=float64), "mse")
    assert all(map(torch.equal, model.parameters(), before))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(gradient.requires_grad for gradient in gradients)


def test_verbose_prints_operands_and_shapes_of_every_product(capsys):
    model = MyNet([3, 4, 2])
    y_pred = model(torch.randn(5, 3))
    backpropagation(model, torch.randn(5, 2), y_pred)
    assert capsys.readouterr().out == ""
    backpropagation(model, torch.randn(5, 2), y_pred, verbose=True)
    assert capsys.readouterr().out.splitlines() == [
        "dL_dw[2] = dL_dz[2].T @ a[1]: [2, 5] @ [5, 4]",
        "dL_db[2] = dL_dz[2].sum(dim=0): [5, 2]",
        "dL_da[1] = dL_dz[2] @ W[2]: [5, 2] @ [2, 4]",
        "dL_dw[1] = dL_dz[1].T @ a[0]: [4, 5] @ [5, 3]",
        "dL_db[1] = dL_dz[1].sum(dim=0): [5, 4]",
    ]


@pytest.mark.parametrize(
    ("y_true", "loss", "message"),
    [
        (
            torch.zeros(5, 2),
            "hinge",
            "no loss is named 'hinge'; expected one of squared_error, mse, cross_entropy",
        ),
        (torch.zeros(5), "mse", r"y_true has the shape \[5\]; expected that of y_pred, \[5, 2\]"),
        (torch.zeros(4, 2), "mse", r"y_true has the shape \[4, 2\]; expected that of y_pred, \[5, 2\]"),
        (torch.zeros(2, 5), "squared_error", r"y_true has the shape \[2, 5\]"),
        (torch.zeros(5, 2, dtype=float64), "mse", "y_true is torch.float64; expected torch.float32"),
        (torch.tensor([0, 1, 2, 0, 1]), "cross_entropy", "y_true has classes from 0 to 2; expected 0 to 1"),
        (torch.tensor([0, 1, -1, 0, 1]), "cross_entropy", "y_true has classes from -1 to 1; expected 0 to 1"),
        (torch.tensor([0, 1, 0]), "cross_entropy", r"of the shape \[3\]; expected class indices.* \[5\]"),
        (torch.zeros(5), "cross_entropy", "y_true is torch.float32 .* torch.int64"),
    ],
)
def test_a_wrong_loss_or_target_is_refused(y_true, loss, message):
    model = MyNet([3, 4, 2])
    y_pred = model(torch.randn(5, 3))
    with pytest.raises(ValueError, match=message):
        backpropagation(model, y_true, y_pred, loss)


def test_predictions_of_another_shape_than_the_models_are_refused():
    model = MyNet([3, 4, 2])
    model(torch.randn(5, 3))
    with pytest.raises(ValueError, match=r"y_pred has the shape \[5, 3\]; expected \[batch, 2\]"):
        backpropagation(model, torch.zeros(5, 3), torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"y_pred has the shape \[0, 2\]"):
        backpropagation(model, torch.zeros(0, 2), torch.zeros(0, 2))


@pytest.mark.parametrize("network", [MyNet, CourseNet])
def test_a_model_that_has_not_run_forward_is_refused(network):
    with pytest.raises(ValueError, match=r"model.a\[0\] is empty; expected a model that has run forward"):
        backpropagation(network([3, 4, 2]), torch.zeros(5, 2), torch.zeros(5, 2))


def test_values_of_another_batch_than_the_predictions_are_refused():
    model = MyNet([3, 4, 2])
    y_pred = model(torch.randn(5, 3))
    model(torch.randn(6, 3))
    with pytest.raises(ValueError, match=r"model.a\[0\] has the shape \[6, 3\]; expected 5 rows"):
        backpropagation(model, torch.zeros(5, 2), y_pred)


def test_the_state_of_another_forward_pass_is_refused():
    torch.manual_seed(4)
    model, other = MyNet([3, 4, 2]), MyNet([3, 4, 2])
    inputs, y_true = torch.randn(5, 3), torch.randn(5, 2)
    y_pred = model(inputs)
    message = r"y_pred is not model.a\[2\], the output of the model's last forward pass"
    with pytest.raises(ValueError, match=message):
        backpropagation(model, y_pred, y_true)
    with pytest.raises(ValueError, match=message):
        backpropagation(model, y_true, other(inputs))
    model(torch.randn(5, 3))
    with pytest.raises(ValueError, match=message):
        backpropagation(model, y_true, y_pred)
    assert model.dL_dw == model.dL_db == {}


def test_a_subclass_that_changes_its_output_is_refused():
    class Scaled(MyNet):
        def forward(self, x):
            return 2 * super().forward(x)

    model = Scaled([3, 4, 2])
    with pytest.raises(ValueError, match="y_pred is not model"):
        backpropagation(model, torch.zeros(5, 2), model(torch.randn(5, 3)))


@pytest.mark.parametrize("change", [torch.Tensor.detach, torch.clone, lambda y_pred: y_pred * 1], ids=str)
def test_a_copy_of_the_output_is_accepted(change):
    model = MyNet([3, 4, 2])
    backpropagation(model, torch.zeros(5, 2), change(model(torch.randn(5, 3))))
    model.fc["1"].weight.data.fill_(math.nan)
    backpropagation(model, torch.zeros(5, 2), change(model(torch.randn(5, 3))))
    assert model.dL_dw[1].isnan().all()


@pytest.mark.parametrize("loss", ["squared_error", "mse"])
@pytest.mark.parametrize("shape", [(), (1,), (10,), (1, 1), (1, 10), (4, 1)])
def test_targets_that_broadcast_to_the_outputs_are_accepted(shape, loss):
    torch.manual_seed(6)
    model = MyNet([3, 10]).double()
    inputs, y_true = torch.randn(4, 3, dtype=float64), torch.randn(shape, dtype=float64)
    expected = by_autograd(model, inputs, y_true.expand(4, 10), loss)
    assert all(map(torch.equal, by_hand(model, inputs, y_true, loss), expected))


def test_an_infinite_gradient_at_a_dead_relu_is_lost():
    model = MyNet([1, 1, 1], ["relu", "identity"]).double()
    # z_1 = -1, a_1 = 0, z_2 = 0; dL/dz_2 = 2e200, dL/da_1 = 2e200 * 1e200 = inf, dL/dz_1 = 0
    set_parameters(model, [[-1.0]], [0.0], [[1e200]], [0.0])
    backpropagation(model, rows([-1e200]), model(rows([1.0])))
    assert model.dL_dw[1].item() == 0


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [([[0.0, 0.0]], None, "y_true is a list; expected a torch.Tensor"), (None, [0.0], "y_pred is a list")],
)
def test_what_is_no_tensor_is_refused(y_true, y_pred, message):
    model = MyNet([3, 2])
    outputs = model(torch.randn(1, 3))
    with pytest.raises(TypeError, match=message):
        backpropagation(model, outputs if y_true is None else y_true, outputs if y_pred is None else y_pred)
