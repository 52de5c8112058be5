"""Catalogue of known mistakes: the name of each, the formulas that it replaces, and what to do instead.

To add one, append a `Mistake`; a test ensures that no two mistakes give the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mistake:
    """A mistake, expressed as changes to a table in `handgrad.checking.formulas`.

    Attributes:
        name: a short description of the mistake.
        changes: the wrong formulas, keyed by the name of the formula that they replace.
        advice: what to do instead, in one sentence.
        losses: the losses to which the changes apply; all if empty.
    """

    name: str
    changes: Mapping[str, str]
    advice: str
    losses: tuple[str, ...] = field(default=())


_SQUARED = ("squared_error",)
_ERRORS = ("squared_error", "mse")
_ENTROPY = ("cross_entropy",)
_SQUARE = "Both factors are matrices: use @, and transpose so that the inner dimension is the batch."
_Z = "The derivative is a function of the pre-activation: df[l](z[l])."
_SUM = "Every sample contributes to the gradient of a bias: sum dL_dz over the batch, dim=0."

GRADIENT_MISTAKES = (
    # The derivative of the loss.
    Mistake(
        "sign of the loss gradient",
        {"residual": "(y_true - y_pred)"},
        "The derivative of (y_pred - y_true)^2 with respect to y_pred is 2 (y_pred - y_true).",
        _ERRORS,
    ),
    Mistake(
        "factor 2 of the squared error missing",
        {"factor": "1"},
        "The derivative of (y_pred - y_true)^2 has the factor 2.",
        _ERRORS,
    ),
    Mistake(
        "factor 2 of the squared error twice",
        {"factor": "4"},
        "The derivative of (y_pred - y_true)^2 has the factor 2 once.",
        _ERRORS,
    ),
    Mistake(
        "loss averaged over the batch instead of summed",
        {"dL_da": "{factor} * {residual} / n"},
        "The loss is the sum over the samples: do not divide by their number.",
        _SQUARED,
    ),
    Mistake(
        "loss averaged over batch and outputs instead of summed",
        {"dL_da": "{factor} * {residual} / y_pred.numel()"},
        "The loss is the sum over samples and outputs; nn.MSELoss() is their mean.",
        _SQUARED,
    ),
    Mistake(
        "loss averaged over the outputs instead of summed",
        {"dL_da": "{factor} * {residual} / y_pred.shape[1]"},
        "The loss is the sum over the outputs: do not divide by their number.",
        _SQUARED,
    ),
    Mistake(
        "loss instead of its derivative",
        {"residual": "(y_pred - y_true)**2", "factor": "1"},
        "Backpropagation starts from the derivative of the loss, 2 (y_pred - y_true).",
        _ERRORS,
    ),
    Mistake(
        "derivative of the absolute error",
        {"residual": "sign(y_pred - y_true)", "factor": "1"},
        "The derivative of the squared error keeps the size of the error: 2 (y_pred - y_true).",
        _ERRORS,
    ),
    Mistake(
        "output instead of the error",
        {"residual": "y_pred"},
        "The derivative of (y_pred - y_true)^2 contains the target too.",
        _ERRORS,
    ),
    Mistake(
        "softmax before the squared error",
        {"residual": "(softmax(y_pred, dim=1) - y_true)", "factor": "1"},
        "softmax(y_pred) - y_true is the gradient of the cross entropy, not of the squared error.",
        _ERRORS,
    ),
    Mistake(
        "mean over the samples only",
        {"count": "n"},
        "nn.MSELoss() is the mean over samples and outputs: divide by y_pred.numel().",
        ("mse",),
    ),
    Mistake(
        "sum instead of the mean",
        {"count": "1"},
        "The loss is a mean: divide by the number of its terms.",
        ("mse", "cross_entropy"),
    ),
    Mistake(
        "sign of the cross-entropy gradient",
        {"residual": "(onehot(y_true) - {probabilities})"},
        "The gradient of the cross entropy is softmax(y_pred) - onehot(y_true).",
        _ENTROPY,
    ),
    Mistake(
        "softmax over the samples",
        {"probabilities": "softmax(y_pred, dim=0)"},
        "The classes of one sample are a row: softmax(y_pred, dim=1).",
        _ENTROPY,
    ),
    Mistake(
        "softmax missing",
        {"probabilities": "y_pred"},
        "The outputs are logits; the gradient of the cross entropy contains their softmax.",
        _ENTROPY,
    ),
    Mistake(
        "log-softmax instead of softmax",
        {"probabilities": "log_softmax(y_pred, dim=1)"},
        "The gradient contains the probabilities, not their logarithms.",
        _ENTROPY,
    ),
    Mistake(
        "gradient of the log-probabilities instead of the logits",
        {"residual": "(-onehot(y_true))"},
        "The log-softmax has a derivative too: the result is softmax(y_pred) - onehot(y_true).",
        _ENTROPY,
    ),
    # BP1: the output layer's local gradient.
    Mistake(
        "derivative of the output activation missing",
        {"output_slope": "1"},
        "The activation is used on the last layer too: multiply by df[L](z[L]).",
    ),
    Mistake("derivative of the output activation at a instead of z", {"output_slope": "df[L](a[L])"}, _Z),
    Mistake(
        "output activation instead of its derivative",
        {"output_slope": "f[L](z[L])"},
        "The chain rule needs the derivative df[L](z[L]), not the activation f[L](z[L]).",
    ),
    Mistake(
        "derivative of the output activation twice",
        {"output_slope": "df[L](z[L])**2"},
        "Multiply by df[L](z[L]) once.",
    ),
    Mistake(
        "derivative of the output activation at z of the layer below",
        {"output_slope": "df[L](z[L-1])"},
        "The local gradient of layer L uses its own z[L].",
    ),
    # BP2: the local gradients of the hidden layers.
    Mistake(
        "derivative of the hidden activations missing",
        {"slope": "1"},
        "Multiply by df[l](z[l]) when passing through layer l.",
    ),
    Mistake("derivative of the hidden activations at a instead of z", {"slope": "df[l](a[l])"}, _Z),
    Mistake(
        "hidden activation instead of its derivative",
        {"slope": "f[l](z[l])"},
        "The chain rule needs the derivative df[l](z[l]), not the activation a[l].",
    ),
    Mistake(
        "derivative of the hidden activations twice",
        {"slope": "df[l](z[l])**2"},
        "Multiply by df[l](z[l]) once.",
    ),
    Mistake(
        "derivative one layer off",
        {"slope": "df[l+1](z[l+1])"},
        "dL_dz[l] uses the derivative of its own layer, df[l](z[l]).",
    ),
    Mistake(
        "derivative at z of the layer above",
        {"slope": "df[l](z[l+1])"},
        "dL_dz[l] uses the pre-activation of its own layer, z[l].",
    ),
    Mistake(
        "derivative at the input of the layer",
        {"slope": "df[l](a[l-1])"},
        "The derivative is taken at z[l], the layer's own pre-activation.",
    ),
    Mistake(
        "derivative missing in every layer",
        {"output_slope": "1", "slope": "1"},
        "Multiply by df[l](z[l]) in every layer.",
    ),
    Mistake(
        "derivative at a instead of z in every layer",
        {"output_slope": "df[L](a[L])", "slope": "df[l](a[l])"},
        _Z,
    ),
    Mistake(
        "activation instead of its derivative in every layer",
        {"output_slope": "f[L](z[L])", "slope": "f[l](z[l])"},
        "The chain rule needs the derivative df[l](z[l]), not the activation.",
    ),
    Mistake(
        "derivative twice in every layer",
        {"output_slope": "df[L](z[L])**2", "slope": "df[l](z[l])**2"},
        "Multiply by df[l](z[l]) once.",
    ),
    Mistake(
        "tanh taken of a in its derivative",
        {"output_slope": "(1 - tanh(a[L])**2)", "slope": "(1 - tanh(a[l])**2)"},
        "a[l] is tanh(z[l]) already: the derivative is 1 - a[l]^2, or model.df[l](z[l]).",
    ),
    Mistake(
        "local gradient through the transposed weights",
        {"back": "(dL_dz[l+1] @ W[l+1].T)"},
        "With one row a sample the gradient goes back by dL_dz[l+1] @ W[l+1], W[l+1] being [n_(l+1), n_l].",
    ),
    Mistake(
        "weights of the layer itself instead of the layer above",
        {"back": "(dL_dz[l+1] @ W[l])"},
        "z[l+1] = a[l] W[l+1]^T + b[l+1]: the gradient of a[l] goes through W[l+1].",
    ),
    Mistake(
        "weights missing on the way back",
        {"back": "dL_dz[l+1]"},
        "The gradient of a[l] is dL_dz[l+1] @ W[l+1].",
    ),
    Mistake(
        "weight gradient instead of the weights on the way back",
        {"back": "(dL_dz[l+1] @ dL_dw[l+1])"},
        "The gradient goes back through the weights W[l+1], not through dL_dw[l+1].",
    ),
    Mistake(
        "local gradient of the output layer used in every layer",
        {"back": "(dL_dz[L] @ W[l+1])"},
        "dL_dz[l] is made from dL_dz[l+1], the layer just above.",
    ),
    # BP3: biases.
    Mistake("bias gradient averaged over the batch", {"dL_db[l]": "dL_dz[l].mean(dim=0)"}, _SUM),
    Mistake(
        "bias gradient summed over the units",
        {"dL_db[l]": "dL_dz[l].sum(dim=1)"},
        "dL_db[l] has one value a unit: sum over the samples, dim=0.",
    ),
    Mistake("bias gradient of the first sample only", {"dL_db[l]": "dL_dz[l][0]"}, _SUM),
    Mistake("bias gradient of the last sample only", {"dL_db[l]": "dL_dz[l][-1]"}, _SUM),
    Mistake("bias gradient not summed over the batch", {"dL_db[l]": "dL_dz[l]"}, _SUM),
    Mistake(
        "bias gradient summed over everything",
        {"dL_db[l]": "dL_dz[l].sum()"},
        "dL_db[l] has one value a unit: sum over the samples only, dim=0.",
    ),
    Mistake("bias gradient missing", {"dL_db[l]": "None"}, "dL_db[l] is dL_dz[l] summed over the batch."),
    Mistake(
        "bias gradient with the opposite sign",
        {"dL_db[l]": "-dL_dz[l].sum(dim=0)"},
        "z = a W^T + b: the bias enters with a plus.",
    ),
    # BP4: weights.
    Mistake("weight gradient without its transpose", {"dL_dw[l]": "dL_dz[l] @ {below}"}, _SQUARE),
    Mistake("other factor of the weight gradient transposed", {"dL_dw[l]": "dL_dz[l] @ {below}.T"}, _SQUARE),
    Mistake(
        "weight gradient transposed",
        {"dL_dw[l]": "{below}.T @ dL_dz[l]"},
        "dL_dw[l] has the shape of the weights, [n_l, n_(l-1)]: dL_dz[l].T @ a[l-1].",
    ),
    Mistake("product element by element", {"dL_dw[l]": "dL_dz[l] * {below}"}, _SQUARE),
    Mistake(
        "activation of the layer itself instead of the layer below",
        {"below": "a[l]"},
        "The inputs of layer l are a[l-1].",
    ),
    Mistake(
        "pre-activation instead of activation",
        {"below": "(z[l-1] if l > 1 else a[0])"},
        "The inputs of layer l are a[l-1], the activations, not z[l-1].",
    ),
    Mistake("network input instead of the layer's", {"below": "a[0]"}, "The inputs of layer l are a[l-1]."),
    Mistake(
        "activations of the previous batch",
        {"below": "old_a[l-1]"},
        "The gradients belong to the last forward pass: read model.a after it.",
    ),
    Mistake(
        "samples of the activations in another order",
        {"below": "a[l-1].roll(1, 0)"},
        "Row i of dL_dz[l] and row i of a[l-1] must be the same sample.",
    ),
    Mistake(
        "weight gradient averaged over the batch",
        {"dL_dw[l]": "dL_dz[l].T @ {below} / n"},
        "The product with the transpose already sums over the samples; do not divide by their number.",
    ),
    Mistake(
        "weight gradient of the first sample only",
        {"dL_dw[l]": "dL_dz[l][:1].T @ {below}[:1]"},
        "Every sample contributes: dL_dz[l].T @ a[l-1].",
    ),
    Mistake(
        "weight gradient with the opposite sign",
        {"dL_dw[l]": "-dL_dz[l].T @ {below}"},
        "z = a W^T + b: the weights enter with a plus.",
    ),
    Mistake(
        "weight decay in the gradient",
        {"dL_dw[l]": "dL_dz[l].T @ {below} + 0.01 * W[l]"},
        "Weight decay belongs to the update, not to backpropagation.",
    ),
    Mistake("weight gradient missing", {"dL_dw[l]": "None"}, "dL_dw[l] is dL_dz[l].T @ a[l-1]."),
    # Layers and order of computation.
    Mistake(
        "first layer forgotten",
        {
            "dL_dw[l]": "None if l == 1 else dL_dz[l].T @ {below}",
            "dL_db[l]": "None if l == 1 else dL_dz[l].sum(dim=0)",
        },
        "The loop ends at layer 1: range(L, 0, -1).",
    ),
    Mistake(
        "output layer forgotten",
        {
            "dL_dw[l]": "None if l == L else dL_dz[l].T @ {below}",
            "dL_db[l]": "None if l == L else dL_dz[l].sum(dim=0)",
        },
        "The loop begins at layer L: range(L, 0, -1).",
    ),
    Mistake(
        "gradients added to those of the previous batch",
        {"dL_dw[l]": "old_dw[l] + dL_dz[l].T @ {below}", "dL_db[l]": "old_db[l] + dL_dz[l].sum(dim=0)"},
        "Each call computes new gradients: assign them, do not add them.",
    ),
)

_DECAY = "Add weight_decay * p to the gradient, before the momentum."
_EVERY = "Zero the gradients before each backward pass: PyTorch adds to them."
_VELOCITY = "v = momentum * v + g, and v = g in the first step, as torch.optim.SGD has it."

UPDATE_MISTAKES = (
    # The gradient.
    Mistake("gradient not zeroed", {"gradient": "(dL_dp + accumulated)"}, _EVERY),
    Mistake(
        "gradient not zeroed, weight decay added to it in place", {"gradient": "(dL_dp + g_before)"}, _EVERY
    ),
    Mistake("gradient zeroed once an epoch", {"gradient": "epoch_sum"}, _EVERY),
    Mistake(
        "step before the backward pass",
        {"gradient": "previous"},
        "The order is: zero the gradients, forward, backward, step.",
    ),
    Mistake(
        "step before the forward pass",
        {
            "gradient": "late",
            "v": "v if t == 0 else {first} if t == 1 else {next}",
            "p": "p if t == 0 else p - {rate} * d",
        },
        "The order is: zero the gradients, forward, backward, step.",
    ),
    Mistake(
        "gradient divided by the batch size",
        {"gradient": "dL_dp / n"},
        "The loss is a mean over the batch already.",
    ),
    Mistake(
        "gradient multiplied by the batch size",
        {"gradient": "dL_dp * n"},
        "The loss is a mean over the batch.",
    ),
    Mistake(
        "sign of the gradient only", {"gradient": "sign(dL_dp)"}, "The step is proportional to the gradient."
    ),
    # Weight decay.
    Mistake("weight decay missing", {"decay": "0"}, _DECAY),
    Mistake("weight decay with the wrong sign", {"decay": "-weight_decay * p"}, _DECAY),
    Mistake(
        "weight decay doubled",
        {"decay": "2 * weight_decay * p"},
        "torch.optim.SGD adds weight_decay * p: the penalty is weight_decay / 2 * p^2.",
    ),
    Mistake(
        "weight decay halved",
        {"decay": "weight_decay / 2 * p"},
        "torch.optim.SGD adds weight_decay * p: the penalty is weight_decay / 2 * p^2.",
    ),
    Mistake(
        "weight decay without the parameter",
        {"decay": "weight_decay"},
        "The derivative of weight_decay / 2 * p^2 is weight_decay * p.",
    ),
    Mistake("weight decay by the absolute value (L1)", {"decay": "weight_decay * sign(p)"}, _DECAY),
    Mistake("weight decay by the square", {"decay": "weight_decay * p**2"}, _DECAY),
    Mistake("weight decay squared", {"decay": "weight_decay**2 * p"}, _DECAY),
    Mistake(
        "weight decay multiplied by the learning rate twice",
        {"decay": "lr * weight_decay * p"},
        "The step multiplies by lr; do not do so in the decay too.",
    ),
    Mistake(
        "weight decay of the weights only",
        {"decay": "where(is_bias, 0 * p, weight_decay * p)"},
        "torch.optim.SGD decays every parameter that it is given, the biases too.",
    ),
    Mistake(
        "weight decay added after the momentum (decoupled)",
        {"decay": "0", "p": "p - {rate} * (d + weight_decay * p)"},
        "Add weight_decay * p to the gradient before the momentum; afterwards it is AdamW's decoupled decay.",
    ),
    Mistake(
        "weight decay decoupled and not multiplied by the learning rate",
        {"decay": "0", "p": "p * (1 - weight_decay) - {rate} * d"},
        _DECAY,
    ),
    Mistake(
        "weight decay of the updated parameter",
        {"decay": "0", "p": "(p - {rate} * d) * (1 - lr * weight_decay)"},
        _DECAY,
    ),
    # Momentum.
    Mistake(
        "momentum without effect",
        {"kept": "0 * v"},
        "v = momentum * v + g, with velocities made once, before the loops, not in each step.",
    ),
    Mistake("momentum with the wrong sign", {"kept": "-momentum * v"}, _VELOCITY),
    Mistake(
        "velocity is the tensor of the gradient, overwritten by the next one",
        {"kept": "momentum * g"},
        "Store a copy: PyTorch reuses p.grad, so keep p.grad.clone() or a new tensor.",
    ),
    Mistake("momentum squared", {"kept": "momentum**2 * v"}, _VELOCITY),
    Mistake(
        "momentum of the last gradient instead of the velocity", {"kept": "momentum * g_before"}, _VELOCITY
    ),
    Mistake("velocity kept in full", {"kept": "v"}, _VELOCITY),
    Mistake(
        "gradient weighted by 1 - momentum",
        {"first": "(1 - momentum) * g", "fresh": "(1 - momentum) * g"},
        "torch.optim.SGD adds the gradient in full: v = momentum * v + g.",
    ),
    Mistake(
        "gradient weighted by 1 - momentum, except in the first step",
        {"fresh": "(1 - momentum) * g"},
        "torch.optim.SGD adds the gradient in full: v = momentum * v + g.",
    ),
    Mistake(
        "gradient missing in the first step",
        {"first": "0 * g"},
        "In the first step the velocity is the gradient, not zero.",
    ),
    Mistake(
        "first step dampened",
        {"first": "{fresh}"},
        "torch.optim.SGD's first velocity is the gradient, undamped.",
    ),
    Mistake(
        "velocity started anew each epoch",
        {"v": "{first} if step == 0 else {next}"},
        "Make the velocities once, before the loop over the epochs.",
    ),
    Mistake(
        "step with the velocity of the step before",
        {"d": "(g if t == 0 else v_before)"},
        "Update the velocity first, then step with it.",
    ),
    Mistake(
        "momentum of Nesterov",
        {"d": "(g + momentum * v)"},
        "Plain momentum steps with v; g + momentum * v is Nesterov's variant.",
    ),
    Mistake("dampening ignored", {"fresh": "g"}, "The gradient enters the velocity with 1 - dampening."),
    Mistake("nesterov ignored", {"d": "v"}, "With nesterov the step is lr * (g + momentum * v)."),
    Mistake(
        "gradient added to the velocity again",
        {"d": "(v + g)"},
        "The velocity contains the gradient: step with v alone.",
    ),
    Mistake(
        "learning rate inside the velocity and in the step",
        {"rate": "lr**2"},
        "Multiply by lr once: either in the velocity or in the step.",
    ),
    # The step.
    Mistake("step uphill", {"p": "p + {rate} * d"}, "The step goes against the gradient: p - lr * d."),
    Mistake("learning rate missing", {"rate": "1"}, "The step is lr times the direction."),
    Mistake("learning rate halved", {"rate": "(lr / 2)"}, "The step is lr times the direction."),
    Mistake("learning rate doubled", {"rate": "(2 * lr)"}, "The step is lr times the direction."),
    Mistake("learning rate of an earlier call kept", {"rate": "first_lr"}, "Use the lr of this call."),
    Mistake(
        "learning rate divided by the number of the epoch",
        {"rate": "(lr / (epoch + 1))"},
        "The learning rate is the same in every epoch.",
    ),
    Mistake(
        "parameters never changed: no update, or one of a copy",
        {"p": "p"},
        "Change the parameters themselves, in place: p -= ... within torch.no_grad(), or p.data.",
    ),
    Mistake("biases not updated", {"p": "where(is_bias, p, p - {rate} * d)"}, "Update every parameter."),
    Mistake("weights not updated", {"p": "where(is_bias, p - {rate} * d, p)"}, "Update every parameter."),
    Mistake(
        "last layer not updated", {"p": "where(is_last_layer, p, p - {rate} * d)"}, "Update every parameter."
    ),
    Mistake(
        "only the last layer updated",
        {"p": "where(is_last_layer, p - {rate} * d, p)"},
        "Update every parameter.",
    ),
    Mistake(
        "one step an epoch, with the gradient of its last batch",
        {
            "v": "v if not last_step else {first} if epoch == 0 else {next}",
            "p": "p - {rate} * d if last_step else p",
        },
        "The step belongs into the loop over the batches.",
    ),
    Mistake(
        "one step an epoch, with the sum of its gradients",
        {
            "gradient": "epoch_sum",
            "v": "v if not last_step else {first} if epoch == 0 else {next}",
            "p": "p - {rate} * d if last_step else p",
        },
        "Zero the gradients and step for each batch.",
    ),
    Mistake(
        "no step on the first batch of an epoch",
        {
            "v": "v if step == 0 else {first} if t == 1 else {next}",
            "p": "p if step == 0 else p - {rate} * d",
        },
        "Every batch of the loader takes a step.",
    ),
    Mistake(
        "no step on the last batch of an epoch",
        {"v": "v if last_step else {first} if t == 0 else {next}", "p": "p if last_step else p - {rate} * d"},
        "Every batch of the loader takes a step, a smaller last one included.",
    ),
    Mistake(
        "two steps with each gradient",
        {
            "v": "momentum * ({first} if t == 0 else {next}) + g"
            " - weight_decay * lr * ({first} if t == 0 else {next})",
            "d": "(v + (g if t == 0 else momentum * v_before + g))",
        },
        "Call step once for each batch.",
    ),
)

_PLAIN_Z = "z[l] is the pre-activation, a[l-1] W[l]^T + b[l]: remember it before applying the activation."

FORWARD_MISTAKES = (
    Mistake("bias missing in the forward pass", {"z[l]": "a[l-1] @ W[l].T"}, _PLAIN_Z),
    Mistake("weights transposed in the forward pass", {"z[l]": "a[l-1] @ W[l] + b[l]"}, _PLAIN_Z),
    Mistake(
        "z remembered after the activation",
        {"z[l]": "f[l](a[l-1] @ W[l].T + b[l])", "a[l]": "z[l]"},
        _PLAIN_Z,
    ),
    Mistake("network input used in every layer", {"z[l]": "a[0] @ W[l].T + b[l]"}, _PLAIN_Z),
    Mistake(
        "z of the previous batch remembered",
        {"z[l]": "old_z[l]", "a[l]": "f[l](a[l-1] @ W[l].T + b[l])"},
        "Overwrite z[l] in every forward pass.",
    ),
    Mistake(
        "z and a of the previous batch remembered",
        {"z[l]": "old_z[l]"},
        "Overwrite z[l] and a[l] in every forward pass.",
    ),
    Mistake("a remembered before the activation", {"a[l]": "z[l]"}, "a[l] is f[l](z[l])."),
    Mistake(
        "activation missing on the last layer",
        {"a[l]": "(z[l] if l == L else f[l](z[l]))"},
        "MyNet uses the activation on every layer, the last included.",
    ),
    Mistake("activation applied twice", {"a[l]": "f[l](f[l](z[l]))"}, "a[l] is f[l](z[l])."),
    Mistake("derivative instead of the activation", {"a[l]": "df[l](z[l])"}, "a[l] is f[l](z[l])."),
)

_SLOPE = "df[l] must be the derivative of f[l], both functions of z."

DERIVATIVE_MISTAKES = (
    Mistake("derivative without its square, or only the second factor", {"df(z)": "1 - f(z)"}, _SLOPE),
    Mistake("activation for its derivative, or only the first factor", {"df(z)": "f(z)"}, _SLOPE),
    Mistake(
        "derivative as if z were a", {"df(z)": "1 - z**2"}, "1 - a^2 is the derivative of tanh in terms of a."
    ),
    Mistake(
        "derivative of the sigmoid as if z were a", {"df(z)": "z * (1 - z)"}, "a (1 - a) is in terms of a."
    ),
    Mistake("activation applied before the derivative", {"df(z)": "slope(f(z))"}, _SLOPE),
    Mistake(
        "square missing in 1 / cosh(z)^2",
        {"df(z)": "1 / cosh(z)"},
        "The derivative of tanh is 1 / cosh(z)^2.",
    ),
    Mistake("cosh(z)^2 not inverted", {"df(z)": "cosh(z)**2"}, "The derivative of tanh is 1 / cosh(z)^2."),
    Mistake("square of the activation", {"df(z)": "f(z)**2"}, _SLOPE),
    Mistake(
        "plus for minus in 1 - f(z)^2", {"df(z)": "1 + f(z)**2"}, "The derivative of tanh is 1 - tanh(z)^2."
    ),
    Mistake(
        "relu active on the wrong side", {"df(z)": "where(z < 0, 1 + 0 * z, 0 * z)"}, "It is 1 where z > 0."
    ),
    Mistake("slope below zero missing", {"df(z)": "where(z > 0, 1 + 0 * z, 0 * z)"}, _SLOPE),
    Mistake("derivative of tanh", {"df(z)": "1 - tanh(z)**2"}, _SLOPE),
    Mistake("tanh for the derivative", {"df(z)": "tanh(z)"}, _SLOPE),
    Mistake("derivative 1", {"df(z)": "1 + 0 * z"}, _SLOPE),
    Mistake("z for the derivative", {"df(z)": "z"}, _SLOPE),
    Mistake("derivative with the opposite sign", {"df(z)": "-slope(z)"}, _SLOPE),
    Mistake("derivative doubled", {"df(z)": "2 * slope(z)"}, _SLOPE),
    Mistake("derivative squared", {"df(z)": "slope(z)**2"}, _SLOPE),
    Mistake("product rule missing", {"df(z)": "ndtr(z)"}, "z Phi(z) is a product: Phi(z) + z phi(z)."),
    Mistake(
        "density of another deviation",
        {"df(z)": "ndtr(z) + z * exp(-z**2) / 2.5066282746310002"},
        "The standard normal density is exp(-z^2 / 2) / sqrt(2 pi).",
    ),
)
