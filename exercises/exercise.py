# %% [markdown]
# # Backpropagation and gradient descent by hand
#
# Four steps: the forward pass, backpropagation, the update, and the training loop. Fill the gaps marked `your
# code`; the check after each step says what is right, what is wrong, in which layer, and, where it knows it,
# which mistake gives exactly your numbers.
#
# To begin, install handgrad as its README says. The network is fully connected, one row a sample:
# $z_l = a_{l-1} W_l^T + b_l$ and $a_l = f_l(z_l)$ for the layers $l = 1, \dots, L$, with $a_0$ the input.

# %%
import torch
from torch import nn

from handgrad.checking import check_backpropagation, check_network, check_update

# %% [markdown]
# ## 1. Forward pass
#
# Remember z and a of every layer: backpropagation needs them. The activation is used on every layer, the last
# included.


# %%
class MyNet(nn.Module):
    """A fully connected network of the widths n_l, with tanh on every layer."""

    def __init__(self, n_l):
        super().__init__()
        self.n_l = n_l
        self.L = len(n_l) - 1
        self.fc = nn.ModuleDict({str(l): nn.Linear(n_l[l - 1], n_l[l]) for l in range(1, self.L + 1)})
        self.f = {l: torch.tanh for l in range(1, self.L + 1)}
        # The derivative of tanh, as a function of z.
        self.df = {l: lambda z: ... for l in range(1, self.L + 1)}
        # your code
        self.z, self.a, self.dL_dw, self.dL_db = {}, {}, {}, {}

    def forward(self, x):
        self.a[0] = torch.flatten(x, start_dim=1)
        for l in range(1, self.L + 1):
            self.z[l] = ...
            self.a[l] = ...
            # your code
        return self.a[self.L]


# %%
check_network(MyNet)

# %% [markdown]
# ## 2. Backpropagation
#
# The loss is the sum of squared errors, $L = \sum (y_{pred} - y_{true})^2$ over samples and outputs. With $*$
# for the product element by element:
#
# * $\partial L / \partial z_L = \partial L / \partial a_L * f_L'(z_L)$
# * $\partial L / \partial z_l = (\partial L / \partial z_{l+1}) W_{l+1} * f_l'(z_l)$
# * $\partial L / \partial b_l$ is $\partial L / \partial z_l$ summed over the samples
# * $\partial L / \partial W_l = (\partial L / \partial z_l)^T a_{l-1}$
#
# Write it with matrix products: no loops over samples or units.


# %%
@torch.no_grad()
def backpropagation(model, y_true, y_pred):
    """Fill model.dL_dw[l] and model.dL_db[l] for l = L, ..., 1 after a forward pass."""
    ...
    # your code


# %%
check_backpropagation(backpropagation)

# %% [markdown]
# ## 3. The update
#
# Do by hand what `torch.optim.SGD` does. With $g$ the gradient of a parameter $p$ and $v$ its velocity:
#
# * $g \leftarrow g + \text{weight decay} \cdot p$
# * $v \leftarrow \text{momentum} \cdot v + g$, in the first step $v \leftarrow g$
# * $p \leftarrow p - \text{lr} \cdot v$


# %%
def train_manual_update(
    n_epochs, lr, model, loss_fn, train_loader, val_loader=None, weight_decay=0.0, momentum=0.0
):
    """Train by gradient descent; returns the mean training loss of each epoch."""
    velocities = {}
    losses = []
    for epoch in range(n_epochs):
        model.train()
        loss_sum = 0.0
        for inputs, labels in train_loader:
            model.zero_grad()
            loss = loss_fn(model(inputs), labels)
            loss.backward()
            with torch.no_grad():
                for name, p in model.named_parameters():
                    ...
                    # your code
            loss_sum += loss.item() * len(inputs)
        losses.append(loss_sum / len(train_loader.dataset))
    return losses


# %%
check_update(train_manual_update)

# %% [markdown]
# ## 4. The training loop
#
# Now with a `torch.optim` optimizer: in each epoch train on every batch, then validate. Return the mean
# losses over the samples; mind that the last batch may be smaller, and that validation trains nothing.


# %%
def train(n_epochs, optimizer, model, loss_fn, train_loader, val_loader):
    """Train with an optimizer; returns the mean training and validation losses of each epoch."""
    training_losses, validation_losses = [], []
    for epoch in range(n_epochs):
        training_losses.append(...)
        validation_losses.append(...)
        # your code
    return training_losses, validation_losses


# %%
check_update(train)

# %% [markdown]
# ## What next
#
# `handgrad check FILE` checks all of it in a terminal, and `snakemake --cores 4 check --config
# implementations="[FILE]"` writes a report with pictures. Your own update and backpropagation can train on
# the real images beside PyTorch's: see `training.trainers` in `config.yaml`.
