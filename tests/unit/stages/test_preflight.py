"""Whatever would stop an experiment is reported before the first training, in one message."""

import json
import re
import stat
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from handgrad import training
from handgrad.errors import HandgradError
from handgrad.stages import preflight, render

ROOT = Path(__file__).resolve().parents[3]
DEFAULTS = {
    "trainers": ["train", "train_manual_update", "train_manual_backprop"],
    "combinations": [
        {"lr": 0.1, "hidden": [8, 4], "batch_size": 16},
        {"lr": 0.01, "weight_decay": 0.01, "momentum": 0.9, "hidden": [6], "activation": "tanh"},
    ],
    "seed": 1,
    "classes": 2,
    "dtype": "float64",
    "device": "cpu",
    "threads": 1,
    "tolerance": 0.0,
    "formats": ["md", "html", "pdf"],
    "style": ROOT / "report/style",
    "training_mb": 500,
    "disk_mb": 1,
    "trainings_at_once": 2,
}


@pytest.fixture
def run(tmp_path):
    def run(**options):
        record = tmp_path / "results/preflight.json"
        preflight.main(preflight.Options(**DEFAULTS | options, output_record=record))
        return json.loads(record.read_text())

    return run


@pytest.mark.slow
def test_a_sound_experiment_passes_with_equal_bits(run):
    record = run()
    del record["arithmetic"]
    assert record == {
        "device": "cpu",
        "updates": 3,
        "largest_difference": 0.0,
        "tolerance": 0.0,
        "training_mb": 500,
        "disk_mb": 1,
    }


@pytest.mark.slow
def test_what_the_arithmetic_rests_on_is_recorded(run):
    found = run(formats=["md"])["arithmetic"]
    assert found["instruction_set"] == torch.backends.cpu.get_cpu_capability()
    assert f"BLAS_INFO={found['blas']}" in " ".join(found["torch_build"])
    assert found["threads"] == 1
    assert {"openblas", "openmp"} & {pool["api"] for pool in found["thread_pools"]}
    assert all("/" not in pool["library"] for pool in found["thread_pools"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(run):
    with pytest.raises(HandgradError, match="device is cuda, but PyTorch sees no GPU here"):
        run(device="cuda")


def test_too_little_memory_is_told_with_both_figures(run):
    message = r"^memory: 3 trainings at once need up to 3,000,000,000 MB, but [\d,]+ MB are available; lower"
    with pytest.raises(HandgradError, match=message):
        run(training_mb=1_000_000_000, trainings_at_once=3)


def test_too_little_disk_is_told_with_the_folder(run, tmp_path):
    message = rf"^disk: the results need up to 1,000,000,000 MB, but {re.escape(str(tmp_path))}/results has"
    with pytest.raises(HandgradError, match=message):
        run(disk_mb=1_000_000_000)


def test_what_the_results_take_already_counts_as_room(run, tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/model").write_bytes(bytes(5_000_000))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 2_000_000))
    run(disk_mb=7, formats=["md"])
    with pytest.raises(HandgradError, match=r"^disk: "):
        run(disk_mb=8, formats=["md"])


def test_a_pandoc_that_cannot_run_is_told_with_what_to_do(run, tmp_path, monkeypatch):
    def intel_only(*_, **__):
        raise OSError(86, "Bad CPU type in executable", "/somewhere/pandoc")

    monkeypatch.setattr(render.pypandoc, "convert_text", intel_only)
    message = (
        r"^report\.formats has html, but it cannot be typeset here: .*Bad CPU type.*Rosetta.*or remove html"
    )
    with pytest.raises(HandgradError, match=message):
        run()


def test_a_pandoc_that_fails_is_told_in_one_line(run, tmp_path, monkeypatch, request):
    broken = tmp_path / "pandoc"
    broken.write_text(
        "#!/bin/sh\necho pandoc 3.1\n[ $# = 1 ] || { echo cannot load a library >&2; exit 9; }\n"
    )
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PYPANDOC_PANDOC", str(broken))
    request.addfinalizer(render.pypandoc.clean_pandocpath_cache)
    render.pypandoc.clean_pandocpath_cache()
    with pytest.raises(HandgradError, match=r"^report\.formats has html, but it cannot be typeset") as caught:
        run()
    assert "\n" not in str(caught.value)


def test_a_typst_that_fails_is_told(run, monkeypatch):
    def broken(*_, **__):
        raise render.typst.TypstError("no fonts")

    monkeypatch.setattr(render.typst, "compile", broken)
    with pytest.raises(HandgradError, match=r"^report\.formats has pdf, .*no fonts"):
        run()


def test_formats_that_are_not_asked_for_are_not_tried(run, monkeypatch):
    monkeypatch.setattr(render.pypandoc, "convert_text", None)
    run(formats=["md"])


def differing_update(monkeypatch):
    original = training.TRAINERS["train_manual_update"]

    def wrong(n_epochs, lr, **options):
        return original(n_epochs, lr=1.001 * lr, **options)

    monkeypatch.setitem(training.TRAINERS, "train_manual_update", wrong)


def test_trainers_that_disagree_are_told_with_their_difference(run, monkeypatch):
    differing_update(monkeypatch)
    with pytest.raises(
        HandgradError,
        match=r"^after 3 updates on cpu, train and train_manual_update .* differ by .*, more than "
        r"comparison\.tolerance, 0; on the CPU",
    ):
        run(formats=["md"])


def test_a_difference_within_the_tolerance_passes_and_is_recorded(run, monkeypatch):
    differing_update(monkeypatch)
    assert 0 < run(formats=["md"], tolerance=0.1)["largest_difference"] < 0.1


def test_one_trainer_has_nothing_to_agree_with(run):
    assert run(trainers=["train"], formats=["md"])["largest_difference"] == 0.0


def test_nothing_is_written_where_a_check_fails(run, tmp_path):
    with pytest.raises(HandgradError):
        run(disk_mb=1_000_000_000)
    assert not list(Path(tmp_path / "results").iterdir())
