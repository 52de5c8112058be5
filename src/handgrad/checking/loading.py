"""Load the definitions in a submitted script or notebook without running its experiments.

Only imports, functions, classes and constants are executed. Training cells, plots and all other top-level
code are skipped; `Submission.skipped` records the names that these would have set, for error messages.
"""

import ast
import json
import linecache
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tqdm
import tqdm.notebook

import handgrad
from handgrad.errors import HandgradError

PARTS = ("MyNet", "MyMLP", "backpropagation", "train", "train_manual_update", "compare_models")
MODULE = "handgrad_submission"
LARGEST_FILE = 20_000_000  # bytes; a notebook contains its plots
# Calls that are allowed in constants, as are methods of literals: they are cheap and have no side effects.
HARMLESS_CALLS = {
    *("bool", "dict", "float", "int", "len", "list", "max", "min", "range", "set", "str", "tuple"),
    *("device", "torch.device", "torch.cuda.is_available", "torch.backends.mps.is_available"),
    *("abs", "enumerate", "round", "sorted", "sum", "zip"),
    *("torch.tensor", "math.sqrt", "Path", "pathlib.Path", "np.array", "numpy.array"),
    *("os.environ.get", "os.getenv", "os.path.join"),
    *("nn.CrossEntropyLoss", "nn.MSELoss", "torch.nn.CrossEntropyLoss", "torch.nn.MSELoss"),
}

# Cell magics that run the cell as Python.
PYTHON_MAGICS = {"%%time", "%%timeit", "%%capture", "%%prun"}
# Parts that may be the result of a call, such as backpropagation = timed(backpropagation).
CALLED_PARTS = {"backpropagation", "train_manual_update", "compare_models"}

_DEFINITIONS = re.compile(r"^(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)


class SubmissionError(HandgradError):
    """A submission cannot be used; the message gives the file, the cell and line, and the problem."""


@dataclass(frozen=True)
class Cell:
    """A unit of source: a script, or a code cell of a notebook. `name` is the file name in tracebacks."""

    name: str
    source: str


@dataclass(frozen=True)
class Submission:
    """The definitions in a file.

    Attributes:
        path: the path of the file.
        cells: its source.
        parts: the parts listed in `PARTS` that it defines, keyed by name.
        skipped: names that are set only in skipped code, each with the reason and the location.
    """

    path: Path
    cells: list[Cell]
    parts: dict[str, Any]
    skipped: dict[str, str] = field(default_factory=dict)


def load(path: Path) -> Submission:
    """Execute the definitions of a `.py` or `.ipynb` file.

    The parts that it does not define are handgrad's. A notebook cell with a syntax error, or a definition
    that fails, only matters if it concerns one of `PARTS`.

    Raises:
        SubmissionError: if the file cannot be read, has none of `PARTS`, or one of them cannot be executed.
    """
    cells = _read(path)
    module = types.ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module  # dataclasses and pickle look up their module
    if str(path.parent.resolve()) not in sys.path:
        sys.path.append(str(path.parent.resolve()))  # last, so that no file in the folder shadows a package
    # The bar of tqdm.notebook needs a running notebook with ipywidgets.
    vars(tqdm.notebook).update(tqdm=tqdm.tqdm, trange=tqdm.trange)
    library = {name: getattr(handgrad, name) for name in PARTS}
    vars(module).update(library)
    skipped: dict[str, str] = {}
    broken: dict[str, str] = {}  # names whose definition failed
    problems: list[str] = []
    for cell in cells:
        lines = cell.source.splitlines(keepends=True)
        linecache.cache[cell.name] = (len(cell.source), None, lines, cell.name)
        try:
            nodes = _parse(cell).body
        except SubmissionError as error:
            problems.append(str(error))
            broken.update(dict.fromkeys(_DEFINITIONS.findall(cell.source), str(error)))
            continue
        for node in nodes:
            _execute(node, cell, module, skipped, broken)
    if bad := [broken[name] for name in PARTS if name in broken]:
        raise SubmissionError(bad[0])
    defined = {name: vars(module).get(name) for name in PARTS}
    parts = {name: part for name, part in defined.items() if callable(part) and part is not library[name]}
    if not parts:
        none = f"{path.name}: defines none of {', '.join(PARTS)}; expected at least one"
        raise SubmissionError([*problems, *broken.values(), none][0])
    return Submission(path, cells, parts, broken | skipped)


def _read(path: Path) -> list[Cell]:
    if path.suffix not in (".py", ".ipynb"):
        raise SubmissionError(f"{path.name}: expected a script (.py) or a notebook (.ipynb)")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SubmissionError(f"{path.name}: has more than {LARGEST_FILE:,} bytes; clear its outputs")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{path.name}: cannot be read ({error})") from error
    if path.suffix == ".py":
        return [Cell(path.name, text)]
    try:
        cells = json.loads(text)["cells"]
        code = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, start=1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SubmissionError(
            f"{path.name}: is not a notebook of format 4 ({type(error).__name__}: {error}); save it again"
        ) from error
    return [Cell(f"{path.name}, cell {number}", _without_magics(source)) for number, source in code]


def _without_magics(source: str) -> str:
    """The source of a cell with IPython magics replaced by empty lines, to preserve line numbers."""
    lines = source.split("\n")
    if lines[0].startswith("%%"):
        if lines[0].split()[0] not in PYTHON_MAGICS:
            return ""
        lines[0] = ""
    return "\n".join(
        line[: len(line) - len(line.lstrip())] + "pass"
        if line.lstrip().startswith(("%", "!", "?")) or line.rstrip().endswith("?")
        else line
        for line in lines
    )


def _parse(cell: Cell) -> ast.Module:
    try:
        return ast.parse(cell.source, cell.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        text = f": `{error.text.strip()}`" if isinstance(error, SyntaxError) and error.text else ""
        raise SubmissionError(f"{cell.name}{line}: {getattr(error, 'msg', error)}{text}") from error


def _execute(
    node: ast.stmt, cell: Cell, module: types.ModuleType, skipped: dict[str, str], broken: dict[str, str]
) -> None:
    """Execute a statement if it is a definition, else record the names that it would have set.

    A function or class that cannot be defined is recorded in `broken`. A constant that cannot be computed,
    usually because it depends on skipped code, is skipped as well.
    """
    place = f"{cell.name}, line {node.lineno}"
    if not _is_definition(node):
        skipped.update(dict.fromkeys(_assigned(node), f"{place} is not executed"))
        return
    try:
        exec(compile(ast.Module([node], []), cell.name, "exec"), vars(module))
    except ImportError as error:
        skipped.update(dict.fromkeys(_assigned(node), f"the import in {place} failed ({error})"))
    except (Exception, SystemExit) as error:
        problem = f"{place}: {type(error).__name__}: {error}{reason(error, skipped)}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            broken[node.name] = problem
        else:
            skipped.update(dict.fromkeys(_assigned(node), f"{problem}, so it is not set"))
    else:
        for name in _assigned(node):
            skipped.pop(name, None)
            broken.pop(name, None)


def reason(error: BaseException, skipped: dict[str, str]) -> str:
    """Why a name is not defined, if the error is a NameError with a known reason; else empty."""
    name = error.name if isinstance(error, NameError) else None
    return f" ({skipped[name]}; pass it as an argument)" if name in skipped else ""


def _is_definition(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Assign(targets=targets, value=value):
            called = (
                isinstance(value, ast.Call) and {ast.unparse(target) for target in targets} <= CALLED_PARTS
            )
            return called or (all(map(_is_name, targets)) and _is_constant(value))
        case ast.AnnAssign(target=target, value=value):
            return _is_name(target) and value is not None and _is_constant(value)
        case ast.If(test=test, body=body, orelse=orelse):
            return _is_constant(test) and all(map(_is_definition, body + orelse)) and not _is_main(test)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            handled = [statement for handler in handlers for statement in handler.body]
            return all(map(_is_definition, body + handled + orelse + finalbody))
        case ast.Pass():
            return True
    return False


def _is_name(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_name, target.elts))
    return isinstance(target, ast.Name)


def _is_main(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _is_constant(value: ast.expr) -> bool:
    """Whether an expression only refers to or combines values; a lambda does, as it is not called here."""
    if isinstance(value, ast.Lambda):
        return True
    if isinstance(value, ast.Call) and not _is_harmless(value.func):
        return False
    if isinstance(value, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
        return False
    return all(_is_constant(child) for child in ast.iter_child_nodes(value))  # type: ignore[arg-type]


def _is_harmless(function: ast.expr) -> bool:
    """Whether a function may be called in a constant: one of `HARMLESS_CALLS`, or a method of a literal."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant):
        return True
    return ast.unparse(function) in HARMLESS_CALLS


def _assigned(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds at the top level."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.alias):
            yield (child.asname or child.name).split(".")[0]
