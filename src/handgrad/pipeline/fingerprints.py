"""Fingerprints of the code that each stage runs, so that a code change reruns only the stages it affects.

Snakemake tracks neither imported modules nor package versions. A fingerprint is a hash of the syntax trees,
without docstrings and comments, of the stage's module and all handgrad modules that it imports, directly or
indirectly, of the versions of the third-party packages that these import, and of other sources that the stage
reads, such as templates: an edited copy may have an older time stamp than the results.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

PACKAGE = "handgrad"
# Distributions of native compute libraries, as required by PyTorch's wheels for NVIDIA, AMD and Intel.
NATIVE = re.compile(r"nvidia-|cuda-|triton|pytorch-triton|mkl|intel-|tbb|rocm")
REQUIRED_NAME = re.compile(r"[\w.-]+")
SOURCE = Path(__file__).resolve().parents[1]


def fingerprint(stage: str, sources: Iterable[Path | str] = ()) -> str:
    """The fingerprint of the module `handgrad.stages.<stage>` and other sources: 16 hexadecimal digits."""
    modules = _closure(f"{PACKAGE}.stages.{stage}")
    packages = {name for module in modules for name in _imports(module) if not name.startswith(PACKAGE)}
    lines = [f"{module} {_tree_hash(module)}" for module in sorted(modules)]
    lines += [f"{name} {versions}" for name in sorted(packages) for versions in [_versions(name)] if versions]
    lines += [hashlib.sha256(Path(source).read_bytes()).hexdigest() for source in sources]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _closure(module: str) -> set[str]:
    """`module` and every handgrad module that it imports, directly or indirectly."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [imported for imported in _imports(name) if imported.startswith(PACKAGE)]
    return found


@cache
def _imports(module: str) -> frozenset[str]:
    """The handgrad modules (dotted) and top-level packages that a handgrad module imports, in any scope."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    ours = {name for name in names if name.split(".")[0] == PACKAGE and _path(name).exists()}
    parents = {module.rpartition(".")[0], *(name.rpartition(".")[0] for name in ours)}
    theirs = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    # handgrad/__init__.py is excluded: it only looks up names for users, and no module imports from it.
    return frozenset((ours | parents | theirs) - {PACKAGE, ""})


def _path(module: str) -> Path:
    """The file of a handgrad module or package."""
    folder = SOURCE.joinpath(*module.split(".")[1:])
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


@cache
def _tree(module: str) -> ast.Module:
    """The syntax tree of a handgrad module without its docstrings."""
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return tree


@cache
def _tree_hash(module: str) -> str:
    return hashlib.sha256(ast.dump(_tree(module)).encode()).hexdigest()


@cache
def _versions(package: str) -> str:
    """The versions of the distributions that provide a top-level package; empty if there are none.

    This includes native libraries that come in separate distributions, such as cuBLAS for PyTorch.
    """
    names = {name for found in _distributions().get(package, []) for name in [found, *_libraries(found)]}
    return " ".join(f"{name}=={version(name)}" for name in sorted(names))


@cache
def _libraries(distribution: str) -> frozenset[str]:
    """The installed native library distributions that a distribution requires, directly or indirectly."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        for requirement in requires(waiting.pop()) or []:
            name = REQUIRED_NAME.match(requirement)[0].lower()  # type: ignore[index]
            if NATIVE.match(name) and name not in found and _is_installed(name):
                found.add(name)
                waiting.append(name)
    return frozenset(found)


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
