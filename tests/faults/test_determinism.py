"""The same config gives the same bytes for any number of cores and in any folder, locale and time zone."""

import locale

import pytest
from helpers.projects import copy_project, differences, result_files, run

GERMAN = "de_DE.UTF-8"


def german_is_installed():
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, GERMAN)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_ALL, before)
    return True


@pytest.mark.parametrize(
    ("cores", "variables"),
    [
        ("1", {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"}),
        ("4", {"PYTHONHASHSEED": "4", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns"}),
        # Decimal commas, and other names of the months.
        pytest.param(
            "2",
            {"PYTHONHASHSEED": "2", "LC_ALL": GERMAN, "TZ": "Europe/Berlin"},
            marks=pytest.mark.skipif(not german_is_installed(), reason=f"locale {GERMAN} is not installed"),
        ),
    ],
    ids=["1 core", "4 cores", "2 cores, German"],
)
def test_cores_folder_hash_seed_locale_and_time_zone_change_no_byte(
    finished_run, tmp_path, small_config, cores, variables
):
    finished, _ = finished_run
    two_cores = result_files(finished)
    assert {"report.md", "report.html", "report.pdf", "facts.json"} <= set(two_cores)
    assert len([name for name in two_cores if name.endswith((".safetensors", ".svg", ".png", ".csv"))]) >= 30
    folder = copy_project(tmp_path / "a folder, named otherwise" / f"{cores} cores", small_config)
    run(folder, "--cores", cores, **variables)
    assert differences(result_files(folder), two_cores) == []
