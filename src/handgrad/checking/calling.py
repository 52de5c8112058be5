"""Call submitted functions: recognise parameters by name, and report where failures occur."""

import inspect
import io
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch

from handgrad.checking.loading import SubmissionError, reason

# Names that students use for each parameter, in lower case without underscores.
NAMES = {
    "n_epochs": "nepochs epochs numepochs nepoch epoch maxepochs nbepochs totalepochs nepochsmax epochcount "
    "numberofepochs nbepoch numepoch noepochs epochnumber",
    "lr": "lr learningrate eta alpha stepsize learnrate rate lrate",
    "model": "model net network mynet mlp nnmodel mymodel neuralnet neuralnetwork mymlp nn m",
    "loss_fn": "lossfn lossfunction lossfunc criterion crit loss cost costfn costfunction objective",
    "train_loader": "trainloader loadertrain traindl traindataloader dataloader loader trainingloader "
    "trainingdata traindata trainset traingenerator trainbatches batches data",
    "val_loader": "valloader loaderval validloader validationloader valdl validdl valdataloader testloader "
    "validationdata valdata validdata valset valbatches",
    "weight_decay": "weightdecay wd decay l2 lambda lambd lmbda lam reg regularization l2reg l2lambda "
    "weightdecayfactor",
    "momentum": "momentum mu beta mom momentumfactor momentumcoeff gamma",
    "dampening": "dampening damp tau",
    "nesterov": "nesterov",
    "x": "x inputs z",
    "z": "z",
    "optimizer": "optimizer optim opt optimiser",
    "y_true": "ytrue target targets label labels y ytarget truth true groundtruth t",
    "y_pred": "ypred pred preds prediction predictions output outputs yhat out yout p",
    "device": "device",
    "loss": "loss lossname",
    "n_l": "nl widths sizes layers layersizes nneurons neurons dims units nunits architecture layerdims",
    "hyperparameters": "hyperparameters hyperparams hparams params parameters configs config settings grid "
    "combinations",
    "make_model": "makemodel modelclass netclass modelcls modelfn createmodel buildmodel modelfactory",
    "model_1": "model1 modela net1 neta m1 modeltrain modeloptim modelsgd modeltorch modelpytorch modelauto",
    "model_2": "model2 modelb net2 netb m2 modelmanual modelupdate modelhand modelmanualupdate",
}
BACKPROPAGATION = ("model", "y_true", "y_pred")
LARGEST_OUTPUT = 16_000_000  # characters that one call may print


_LIBRARIES = (
    str(Path(__file__).parents[1]),
    str(Path(torch.__file__).parents[1]),
    str(Path(inspect.__file__).parent),
    "<frozen",
)


class Crash(SubmissionError):
    """The submitted code raised an exception."""


class OutOfTime(BaseException):
    """The submitted code ran for too long. Not a subclass of Exception, which that code may catch."""


class _Quiet(io.TextIOBase):
    """Discards printed output, up to a limit."""

    def __init__(self) -> None:
        self.left = LARGEST_OUTPUT

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            raise OSError(f"more than {LARGEST_OUTPUT:,} characters printed")
        return len(text)


def accepts(function: Callable[..., Any], role: str) -> bool:
    """Whether a function has a parameter for a role, such as "momentum", under any of its known names."""
    return any(_plays(name, role) for name in inspect.signature(function).parameters)


def call(function: Callable[..., Any], skipped: dict[str, str] | None = None, **values: Any) -> Any:
    """Call `function`, passing each value to the parameter that has its role.

    Values without a matching parameter are omitted; parameters with a default need no value. Parameters whose
    names are not recognised are matched by position, if there are as many parameters as values. A global
    variable that only skipped code would have set, such as `train_loader`, gets the value for its role.

    Raises:
        Crash: if the function raises an exception, or a parameter cannot be recognised.
        SubmissionError: if the function needs too much time or memory, so that calling it again is pointless.
    """
    arguments = _arguments(function, values)
    try:
        with quiet(), _globals_set(function, skipped or {}, values):
            return function(*arguments.args, **arguments.kwargs)
    except (OutOfTime, MemoryError) as error:
        raise SubmissionError(described(error, skipped or {})) from error
    except (Exception, SystemExit) as error:
        raise Crash(described(error, skipped or {})) from error


@contextmanager
def _globals_set(
    function: Callable[..., Any], skipped: dict[str, str], values: dict[str, Any]
) -> Iterator[None]:
    """Set the skipped global variables whose role no parameter of the function has, within the context."""
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    candidates = {"device": torch.device("cpu")} | values
    roles = [role for role in candidates if not accepts(function, role)]
    missing = [name for name in skipped if name not in scope]
    chosen = {name: role for name in missing for role in roles if _plays(name, role)}
    scope.update({name: candidates[role] for name, role in chosen.items()})
    try:
        yield
    finally:
        for name in chosen:
            scope.pop(name, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress printed output; more than `LARGEST_OUTPUT` characters are an error."""
    sink = _Quiet()
    with redirect_stdout(sink), redirect_stderr(sink):
        yield


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Set the default dtype of new tensors, such as torch.zeros(3), within the context."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def described(error: BaseException, skipped: dict[str, str]) -> str:
    """Describe an exception, including the last line of the submission in its traceback."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_library(frame.filename)]
    place = f"{Path(own[-1].filename).name}, line {own[-1].lineno}, `{own[-1].line}`: " if own else ""
    what = str(error).strip().split("\n")[0][:300]
    return f"{place}{type(error).__name__}: {what}{reason(error, skipped)}".removesuffix(": ")


def is_library(filename: str) -> bool:
    """Whether a file belongs to handgrad, an installed package or Python rather than to the submission."""
    return filename.startswith(_LIBRARIES)


def _plays(parameter: str, role: str) -> bool:
    plain = parameter.lower().replace("_", "")
    return plain == role.replace("_", "") or plain in NAMES.get(role, "").split()


def _arguments(function: Callable[..., Any], values: dict[str, Any]) -> inspect.BoundArguments:
    signature = inspect.signature(function)
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    unknown = []
    open_roles = list(values)
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        role = next((role for role in open_roles if _plays(name, role)), None)
        if role is not None:
            open_roles.remove(role)
            keywords[name] = values[role]
        elif parameter.default is parameter.empty:
            unknown.append(name)
    if unknown and len(signature.parameters) == len(values):
        positional, keywords = list(values.values()), {}
    elif unknown:
        raise Crash(
            f"{getattr(function, '__name__', function)}{signature}: what is {unknown[0]!r}? "
            f"expected parameters such as {', '.join(values)}"
        )
    elif not signature.parameters or (
        not keywords
        and any(parameter.kind is parameter.VAR_POSITIONAL for parameter in signature.parameters.values())
    ):
        positional = list(values.values())
    try:
        return signature.bind(*positional, **keywords)
    except TypeError as error:
        raise Crash(f"{getattr(function, '__name__', function)}{signature}: {error}") from error
