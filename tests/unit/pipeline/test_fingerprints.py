import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import handgrad
from handgrad.pipeline.fingerprints import fingerprint

PACKAGE = Path(handgrad.__file__).parent
PRINT = (
    "import sys; from handgrad.pipeline.fingerprints import fingerprint; "
    "print(*(fingerprint(stage) for stage in sys.argv[1:]))"
)


@pytest.fixture
def package(tmp_path):
    """A small package named handgrad: stage `one` imports `sums` through `means`, stage `two` only json."""
    files = {
        "__init__.py": "",
        "stages/__init__.py": "",
        "stages/one.py": "import numpy\nfrom handgrad.means import mean\n",
        "stages/two.py": "import json\n",
        "means.py": "from handgrad import sums\n\n\ndef mean(x):\n    return sums.total(x) / len(x)\n",
        "sums.py": "def total(x):\n    return sum(x)\n",
        "pipeline/__init__.py": "",
        "pipeline/fingerprints.py": (PACKAGE / "pipeline/fingerprints.py").read_text(),
    }
    for name, text in files.items():
        path = tmp_path / "handgrad" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def fingerprints(folder, stages=("one", "two")):
    command = [sys.executable, "-c", PRINT, *stages]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_comments_docstrings_and_layout_change_nothing(package):
    before = fingerprints(package)
    (package / "handgrad/sums.py").write_text(
        '"""Sums."""\n\n\ndef total(x):  # list\n    """The sum."""\n    return (\n        sum(x)\n    )\n'
    )
    assert fingerprints(package) == before


def test_a_change_in_an_indirectly_imported_module_changes_only_the_stages_that_import_it(package):
    one, two = fingerprints(package)
    (package / "handgrad/sums.py").write_text("def total(x):\n    return sum(x) + 0\n")
    changed_one, same_two = fingerprints(package)
    assert changed_one != one
    assert same_two == two


def test_another_version_of_an_imported_package_changes_the_fingerprint(package):
    one, two = fingerprints(package)
    metadata = package / "numpy-0.0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.0.1\n")
    (metadata / "top_level.txt").write_text("numpy\n")
    changed_one, same_two = fingerprints(package)
    assert changed_one != one
    assert same_two == two


def test_another_version_of_a_native_library_of_a_package_changes_the_fingerprint(package):
    def install(name, version, *requirements):
        metadata = package / f"{name.replace('-', '_')}-1.dist-info"
        metadata.mkdir(exist_ok=True)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
        (metadata / "METADATA").write_text("\n".join(lines) + "\n")

    install(
        "numpy",
        "0.0.1",
        'cuda-everything[blas]==1.0; platform_system != "None"',
        "viewer>=1",
        "mkl; extra == 'mkl'",
    )
    (package / "numpy-1.dist-info/top_level.txt").write_text("numpy\n")
    install("cuda-everything", "1.0", "nvidia-blas==1.0 ; extra == 'blas'")
    install("nvidia-blas", "1.0")
    install("viewer", "1.0")
    one, two = fingerprints(package)
    install("viewer", "2.0")
    assert fingerprints(package) == [one, two]
    install("nvidia-blas", "1.1")
    changed_one, same_two = fingerprints(package)
    assert changed_one != one
    assert same_two == two


def test_fingerprints_are_the_same_in_every_process(package):
    assert fingerprints(package) == fingerprints(package)


def test_an_edited_source_changes_the_fingerprint(tmp_path):
    template = tmp_path / "answer.md.j2"
    template.write_text("one")
    before = fingerprint("report", [template])
    assert before == fingerprint("report", [template]) != fingerprint("report")
    template.write_text("two")
    assert fingerprint("report", [template]) != before


def test_the_names_that_the_package_offers_are_no_imports(package):
    before = fingerprints(package)
    (package / "handgrad/__init__.py").write_text(
        "from importlib import import_module\n\n\ndef __getattr__(name):\n"
        "    return getattr(import_module('handgrad.means'), name)\n"
    )
    (package / "handgrad/__init__.pyi").write_text("from handgrad.means import mean as mean\n")
    assert fingerprints(package) == before


@pytest.mark.slow
def test_a_change_of_the_trainers_changes_the_fingerprints_of_few_stages(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "handgrad", ignore=shutil.ignore_patterns("__pycache__"))
    stages = ["train", "fetch", "prepare", "baselines", "compare", "select", "figures", "facts", "render"]
    before = fingerprints(tmp_path, stages)
    with (tmp_path / "handgrad/training.py").open("a") as file:
        file.write("\n\nCHANGED = True\n")
    pairs = zip(stages, before, fingerprints(tmp_path, stages), strict=True)
    assert [stage for stage, one, other in pairs if one != other] == ["train"]
