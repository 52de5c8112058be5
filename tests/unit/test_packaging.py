"""The metadata of the package: one version, and a pin for every dependency."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins():
    """The versions in constraints.txt by the names of the packages."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pinned}


def test_every_dependency_has_a_pin_within_its_bounds():
    extras = project()["optional-dependencies"].values()
    for text in [*project()["dependencies"], *(text for extra in extras for text in extra)]:
        requirement = Requirement(text)
        if requirement.name != "handgrad":
            assert pins()[canonicalize_name(requirement.name)] in requirement.specifier, text


def test_the_pins_name_no_package_index():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text


def test_torch_for_cpus_only_satisfies_the_pin():
    # Its wheels carry a local version, which == ignores where the specifier has none.
    pin = pins()["torch"]
    assert f"{pin}+cpu" in Requirement(f"torch=={pin}").specifier


def test_the_citation_names_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {project()['version']}\n" in citation
