"""What `import handgrad` offers, and what it costs."""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import handgrad

PACKAGE = Path(handgrad.__file__).parent
PUBLIC = [
    "Batches",
    "History",
    "MyMLP",
    "MyNet",
    "__version__",
    "accuracy",
    "backpropagation",
    "check_against_autograd",
    "check_gradients",
    "compare_models",
    "load_cifar2",
    "train",
    "train_manual_backprop",
    "train_manual_update",
]


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_public_names_are_sorted_and_complete():
    assert handgrad.__all__ == PUBLIC == sorted(PUBLIC)
    assert dir(handgrad) == PUBLIC


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "__version__"])
def test_every_public_name_is_documented_and_of_handgrad(name):
    found = getattr(handgrad, name)
    assert found.__name__ == name
    assert found.__module__.startswith("handgrad.")
    assert found.__doc__


def test_the_version_is_that_of_the_distribution():
    assert handgrad.__version__ == version("handgrad")


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'handgrad' has no attribute 'MyNett'"):
        handgrad.MyNett  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'MyNett'"):
        from handgrad import MyNett  # noqa: F401


def test_type_checkers_see_the_same_names_from_the_same_modules():
    assert (PACKAGE / "py.typed").exists()
    found = {}
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            assert [alias.name for alias in node.names] == [alias.asname for alias in node.names]
            found |= {alias.name: node.module for alias in node.names}
    assert sorted([*found, "__version__"]) == PUBLIC
    assert all(getattr(handgrad, name).__module__ == module for name, module in found.items())


def test_importing_handgrad_imports_no_module_of_it_and_no_pytorch():
    code = (
        "import sys, handgrad; print([n for n in sys.modules if n == 'torch' or n.startswith('handgrad.')])"
    )
    assert run(code) == "[]\n"


@pytest.mark.slow
def test_stages_that_need_no_pytorch_do_not_import_it():
    stages = ["baselines", "fetch", "figures", "facts", "render", "report", "run_times", "select"]
    imports = "; ".join(f"import handgrad.stages.{stage}" for stage in stages)
    assert run(f"import sys; {imports}; print('torch' in sys.modules)") == "False\n"


def test_no_module_of_handgrad_goes_through_the_front_door():
    # Fingerprints exclude the package's __init__, so changes to what it exports would go unnoticed.
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "handgrad":
                assert not {alias.name for alias in node.names} & {*PUBLIC, "*"}, path


@pytest.mark.slow
def test_the_example_of_the_readme_does_what_it_says():
    readme = (PACKAGE.parents[1] / "README.md").read_text()
    code = readme.split("## Use the library")[1].split("```python\n")[1].split("```")[0]
    agreements, *verdicts = run("import torch; torch.manual_seed(0)\n" + code).splitlines()
    assert agreements.count("bit_identical=True") == 2
    assert len(verdicts) == 6  # a weight and a bias for each of three layers
    assert all("all right" in verdict for verdict in verdicts)
