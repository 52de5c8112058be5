import hashlib
import json
import os

import pytest

from handgrad.errors import HandgradError
from handgrad.pipeline.manifests import (
    Hashes,
    altered,
    checked_inputs,
    file_sha256,
    manifest_text,
    read_manifest,
    unsupported,
)

# sha256sum of the strings "data" and "model".
DATA = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
MODEL = "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"


@pytest.fixture
def results(tmp_path):
    """The data written by one job, and a training on it."""
    results = tmp_path / "results"
    for folder in ("data", "manifests", "runs/one/train"):
        (results / folder).mkdir(parents=True)
    data, model = results / "data/train", results / "runs/one/train/model"
    data.write_text("data")
    model.write_text("model")
    prepare, train = results / "manifests/prepare.json", results / "runs/one/train/manifest.json"
    prepare.write_text(manifest_text("prepare", prepare, {}, [data]))
    train.write_text(manifest_text("train", train, {data: file_sha256(data)}, [model]))
    return results


def test_a_manifest_holds_relative_paths_and_hashes(results):
    content = json.loads((results / "runs/one/train/manifest.json").read_text())
    content.pop("sha256_of_this")
    assert content == {
        "stage": "train",
        "inputs": {"../../../data/train": DATA},
        "outputs": {"model": MODEL},
    }


def test_results_that_nobody_touched_are_not_altered_even_in_another_place(results, tmp_path):
    assert altered(results, Hashes()) == {}
    results.rename(tmp_path / "moved")
    assert altered(tmp_path / "moved", Hashes()) == {}


@pytest.mark.parametrize(
    ("name", "manifest", "job"),
    [
        ("data/train", "manifests/prepare.json", "prepare"),
        ("runs/one/train/model", "runs/one/train/manifest.json", "train"),
    ],
)
def test_a_changed_or_missing_output_is_named_with_its_rule(results, name, manifest, job):
    (results / name).write_text("other")
    reason = f"{results / name} is not what the rule {job} wrote"
    assert altered(results, Hashes()) == {results / manifest: reason}
    (results / name).unlink()
    assert altered(results, Hashes()) == {results / manifest: f"{results / name} is missing"}


def test_any_change_of_a_manifest_is_found(results):
    path = results / "manifests/prepare.json"
    good = path.read_bytes()
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        assert list(altered(results, Hashes())) == [path]
        with pytest.raises(HandgradError, match="this manifest was changed; run snakemake again"):
            read_manifest(path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1,\n", b'{\n  "stage": "prepare",\n'])
def test_a_manifest_with_the_right_hash_of_other_content_is_refused(results, content):
    path = results / "manifests/prepare.json"
    sha256 = hashlib.sha256(content).hexdigest()
    path.write_bytes(content + f'  "sha256_of_this": "{sha256}"\n}}\n'.encode())
    assert altered(results, Hashes()) == {path: f"{path} was changed"}


def test_an_output_that_is_no_longer_a_file_counts_as_missing(results):
    path = results / "data/train"
    path.unlink()
    os.mkfifo(path)  # reading it would wait for a writer
    assert altered(results, Hashes()) == {results / "manifests/prepare.json": f"{path} is missing"}


def test_a_job_refuses_what_another_one_did_not_write(results):
    assert checked_inputs([results / "data/train"]) == {results / "data/train": DATA}
    (results / "data/train").write_text("other")
    with pytest.raises(
        HandgradError, match=r"data/train: not the file that the rule prepare wrote .*; run snakemake again"
    ):
        checked_inputs([results / "data/train"])
    (results / "runs/one/train/model").write_text("other")
    with pytest.raises(HandgradError, match="model: not the file that the rule train wrote"):
        checked_inputs([results / "runs/one/train/model"])


def test_a_file_that_no_job_made_is_taken_as_it_is(tmp_path):
    (tmp_path / "template").write_text("data")
    assert checked_inputs([tmp_path / "template"]) == {tmp_path / "template": DATA}


def test_an_edit_that_restores_size_and_time_is_found_although_hashes_are_kept(results, tmp_path):
    path = results / "data/train"
    hashes = Hashes(tmp_path / "store.json")
    assert altered(results, hashes) == {}
    hashes.save()
    status = path.stat()
    path.write_text("atad")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert list(altered(results, Hashes(tmp_path / "store.json"))) == [results / "manifests/prepare.json"]


def test_kept_hashes_spare_reading_and_a_damaged_store_costs_nothing_but_time(results, tmp_path, monkeypatch):
    store = tmp_path / "store.json"
    hashes = Hashes(store)
    altered(results, hashes)
    hashes.save()
    monkeypatch.setattr("handgrad.pipeline.manifests.file_sha256", lambda path: pytest.fail(f"reads {path}"))
    assert altered(results, Hashes(store)) == {}
    monkeypatch.undo()
    store.write_text("{")
    assert altered(results, Hashes(store)) == {}


@pytest.mark.parametrize("folder", ["", "wide/"], ids=["plain", "of an experiment"])
@pytest.mark.parametrize("name", ["manifest.json", "model"])
def test_what_was_made_from_a_training_that_is_gone_no_longer_holds(results, name, folder):
    model, compare = results / "runs/one/train/model", results / f"{folder}manifests/compare.json"
    compare.parent.mkdir(parents=True, exist_ok=True)
    (results / "comparison").write_text("equal")
    compare.write_text(
        manifest_text("compare", compare, {model: file_sha256(model)}, [results / "comparison"])
    )
    assert altered(results, Hashes()) == {}
    (results / "runs/one/train" / name).unlink()
    reasons = altered(results, Hashes())
    training = results / "runs/one/train"
    assert reasons[compare] == f"{compare} was made from {training}, which is missing or changed"
    assert results / "manifests/prepare.json" not in reasons


@pytest.fixture
def experiment(results):
    """The folder of an experiment that was made from the training in the store `results`."""
    wide = results / "wide"
    (wide / "manifests").mkdir(parents=True)
    model, facts, manifest = results / "runs/one/train/model", wide / "facts", wide / "manifests/facts.json"
    facts.write_text("equal")
    manifest.write_text(manifest_text("facts", manifest, {model: file_sha256(model)}, [facts]))
    return wide


def other_run(results):
    """Add a training that read other data, as left behind by an earlier config."""
    folder = results / "runs/other/train"
    folder.mkdir(parents=True)
    (folder / "model").write_text("model")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest_text("train", manifest, {results / "data/train": MODEL}, [folder / "model"]))


def test_an_experiment_is_supported_by_the_files_that_its_jobs_read(results, experiment, tmp_path):
    other_run(results)
    hashes = Hashes()
    assert unsupported(experiment, results, hashes) == []
    assert sorted(hashes.used) == [
        str(results / name) for name in ("data/train", "runs/one/train/model", "wide/facts")
    ]
    results.rename(tmp_path / "moved")
    assert unsupported(tmp_path / "moved/wide", tmp_path / "moved", Hashes()) == []


def test_changes_anywhere_behind_an_experiment_are_named(results, experiment):
    other_run(results)
    data, model, manifest = (
        results / "data/train",
        results / "runs/one/train/model",
        experiment / "manifests/facts.json",
    )

    data.write_text("other")
    assert unsupported(experiment, results, Hashes()) == [f"{data} is not what the rule prepare wrote"]
    prepare = results / "manifests/prepare.json"
    prepare.write_text(manifest_text("prepare", prepare, {}, [data]))
    assert unsupported(experiment, results, Hashes()) == [
        f"{data}: the rule train read another version of it"
    ]
    prepare.unlink()
    assert unsupported(experiment, results, Hashes()) == [
        f"{data}: read by other jobs, but no manifest in {results} lists it"
    ]

    model.unlink()
    model.with_name("manifest.json").write_text("{}")
    assert unsupported(experiment, results, Hashes()) == [
        f"{model}: read by other jobs, but no manifest in {results} lists it"
    ]
    manifest.write_text("{}")
    assert unsupported(experiment, results, Hashes()) == [f"{manifest} was changed"]
