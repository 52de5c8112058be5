from handgrad.backprop import backpropagation as backpropagation
from handgrad.comparison import compare_models as compare_models
from handgrad.data.batches import Batches as Batches
from handgrad.data.loading import load_cifar2 as load_cifar2
from handgrad.gradcheck import check_against_autograd as check_against_autograd
from handgrad.gradcheck import check_gradients as check_gradients
from handgrad.history import History as History
from handgrad.networks import MyMLP as MyMLP
from handgrad.networks import MyNet as MyNet
from handgrad.training import accuracy as accuracy
from handgrad.training import train as train
from handgrad.training import train_manual_backprop as train_manual_backprop
from handgrad.training import train_manual_update as train_manual_update

__version__: str
