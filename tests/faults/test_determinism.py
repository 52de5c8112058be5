"""The same config gives the same bytes, however many cores, in whatever folder, place and time."""

from projects import copy_project, differences, result_files, run


def test_one_core_or_four_another_folder_hash_seed_locale_and_time_zone_give_the_same_bytes(
    finished_run, tmp_path, small_config
):
    finished, _ = finished_run
    two_cores = result_files(finished)
    assert {"report.md", "report.html", "report.pdf", "facts.json"} <= set(two_cores)
    assert len([name for name in two_cores if name.endswith((".safetensors", ".svg", ".png", ".csv"))]) >= 30

    settings = {
        "1": {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
        "4": {
            "PYTHONHASHSEED": "4",
            "LC_ALL": "de_DE.UTF-8",
            "LANG": "tr_TR.UTF-8",
            "TZ": "America/St_Johns",
        },
    }
    for cores, variables in settings.items():
        folder = copy_project(tmp_path / "a folder, named otherwise" / f"{cores} cores", small_config)
        run(folder, "--cores", cores, **variables)
        assert differences(result_files(folder), two_cores) == []
