import mpmath
import pytest
import torch
from torch.nn import functional

from handgrad.gradcheck import LOSS_VALUES
from handgrad.losses import LOSSES, VARIANTS, find_loss

float64 = torch.float64

REFERENCES = {
    "squared_error": lambda y_pred, y_true: ((y_pred - y_true) ** 2).sum(),
    "mse": functional.mse_loss,
    "cross_entropy": functional.cross_entropy,
}


def draw(loss, samples, outputs, dtype):
    y_pred = 3 * torch.randn(samples, outputs, dtype=dtype)
    if loss == "cross_entropy":
        return torch.randint(outputs, (samples,)), y_pred
    return torch.randn(samples, outputs, dtype=dtype), y_pred


@pytest.mark.parametrize("dtype", [torch.float32, float64])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_have_the_bits_of_autograd(name, dtype):
    torch.manual_seed(1)
    loss = LOSSES[name]
    for samples, outputs in ((1, 1), (1, 10), (7, 2), (25, 10), (256, 3), (133, 100)):
        y_true, y_pred = draw(name, samples, outputs, dtype)
        y_pred.requires_grad_()
        expected = REFERENCES[name](y_pred, y_true)
        (gradient,) = torch.autograd.grad(expected, y_pred)
        for out in (None, torch.empty_like(gradient)):
            intermediate = loss.intermediate(y_pred.detach(), loss.checked(y_true, y_pred), out)
            assert loss.value(intermediate, y_true).equal(expected.detach())
            assert loss.gradient(intermediate, y_true).equal(gradient)


def test_cross_entropy_worked_by_hand():
    # Logits (ln 3, 0): probabilities (3/4, 1/4); class 1, one of two identical samples.
    loss = find_loss("cross_entropy")
    y_pred = torch.tensor([[3.0, 1.0], [3.0, 1.0]], dtype=float64).log()
    y_true = torch.tensor([1, 1])
    logs = loss.intermediate(y_pred, y_true, None)
    assert loss.value(logs, y_true).item() == pytest.approx(1.3862943611198906, rel=1e-15)
    assert loss.gradient(logs, y_true).flatten().tolist() == pytest.approx([0.375, -0.375] * 2, rel=1e-15)


@pytest.mark.parametrize("name", ["squared_error", "mse"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (4, 1), (1, 3)])
def test_squared_errors_take_what_broadcasts_to_the_outputs(name, shape):
    y_pred, y_true = torch.randn(4, 3), torch.randn(shape)
    loss = find_loss(name)
    whole = y_true.expand(4, 3)
    residuals = loss.intermediate(y_pred, loss.checked(y_true, y_pred), None)
    assert loss.value(residuals, y_true).equal(REFERENCES[name](y_pred, whole))


def test_the_gradient_checks_know_every_loss():
    assert set(LOSS_VALUES) == set(LOSSES)


@pytest.mark.parametrize("name", ["cross_entropy", *VARIANTS])
@pytest.mark.parametrize("dtype", [torch.float32, float64])
def test_the_gradient_of_cross_entropy_against_50_digits(name, dtype):
    torch.manual_seed(2)
    samples, classes = 32, 10
    y_true, y_pred = torch.randint(classes, (samples,)), 5 * torch.randn(samples, classes, dtype=dtype)
    loss = find_loss(name)
    gradient = loss.gradient(loss.intermediate(y_pred, y_true, None), y_true)
    with mpmath.workdps(50):
        for row, label, logits in zip(gradient.tolist(), y_true.tolist(), y_pred.tolist(), strict=True):
            exponentials = [mpmath.exp(logit) for logit in logits]
            for unit, by_hand in enumerate(row):
                exact = (exponentials[unit] / mpmath.fsum(exponentials) - (unit == label)) / samples
                # A probability is off by at most two machine epsilons; the mean divides by the batch size.
                assert abs(by_hand - exact) <= 2 * torch.finfo(dtype).eps / samples


def test_the_textbook_form_differs_from_autograd_by_rounding_only():
    torch.manual_seed(3)
    y_true, y_pred = torch.randint(10, (64,)), torch.randn(64, 10, dtype=float64)
    forms = [find_loss(name) for name in ("cross_entropy", "textbook_cross_entropy")]
    one, other = (form.gradient(form.intermediate(y_pred, y_true, None), y_true) for form in forms)
    assert not torch.equal(one, other)
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-17)
