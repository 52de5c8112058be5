"""Files under results/ edited, truncated, deleted, etc., one at a time: each is regenerated, byte for byte.

`pytest -m long` tampers with every file in every way; the default run with a sample of files.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from helpers.projects import copy_project, environment, run, snakemake

from handgrad.pipeline.manifests import file_sha256, read_manifest
from handgrad.pipeline.manifests import text as manifest_text_of

# Placeholder for the folder of the only run.
RUN = "RUN"


def edit(path):
    path.write_bytes(path.read_bytes().replace(b"1", b"2") + b"\n")


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def flip_unseen(path):
    """Flip a bit but keep the size and modification time, as silent disk corruption does."""
    status = path.stat()
    flip(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def delete(path):
    path.unlink()


def back_date(path):
    os.utime(path, (946684800, 946684800))


WAYS = {function.__name__: function for function in (edit, truncate, flip, flip_unseen, delete, back_date)}
# A sample of jobs and file formats, including files that the report does not depend on directly.
SAMPLE = [
    ("flip_unseen", f"{RUN}/train_manual_update/model.safetensors"),
    ("edit", f"{RUN}/train/metrics.json"),
    ("edit", f"{RUN}/train/manifest.json"),
    ("truncate", "selected/model.safetensors"),
    ("delete", "manifests/evaluate.json"),
    ("edit", "facts.json"),
]


def contents(project):
    results = project / "results"
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file()
    }


def located(results, name):
    """`name` with RUN replaced by the folder of the only run."""
    if not name.startswith(RUN):
        return name
    (model,) = results.glob("runs/**/train/model.safetensors")
    return name.replace(RUN, model.parents[1].relative_to(results).as_posix())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_config):
    config = small_config | {"hyperparameters": small_config["hyperparameters"][:1]}
    folder = copy_project(tmp_path_factory.mktemp("tampering") / "project", config)
    run(folder)
    return folder


def check(project, way, name):
    """Tamper with a file and run Snakemake twice: every file is restored, and the second run does nothing."""
    undisturbed = contents(project)
    WAYS[way](project / "results" / name)
    for attempt in ("first", "second"):
        result = snakemake(project, "--cores", "2")
        assert result.returncode == 0, (attempt, result.stdout)
        found = contents(project)
        # Run times are measured again when a job is rerun.
        measured = {"run_times.csv", "manifests/run_times.json"}
        different = {
            key for key in found.keys() | undisturbed.keys() if found.get(key) != undisturbed.get(key)
        }
        assert different <= measured, (attempt, different)
        assert found.keys() == undisturbed.keys()
        if attempt == "first" and way != "back_date":
            assert f"results/{name}" in result.stdout
    assert "Nothing to be done" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("way", "name"), SAMPLE)
def test_a_file_that_was_tampered_with_is_made_again(finished, tmp_path, way, name):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    check(project, way, located(project / "results", name))


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_every_file_that_was_tampered_with_is_made_again(finished, tmp_path, way):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    for name in sorted(contents(project)):
        check(project, way, name)
        print(f"{way}: {name}", flush=True)


def verify(project, results):
    program = "from handgrad.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "verify", results],
        env=environment(project),
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_verify_accepts_results_wherever_they_are_and_names_each_change(finished, tmp_path):
    results = tmp_path / "given to a reader"
    shutil.copytree(finished / "results", results)
    good = verify(finished, results)
    assert good.returncode == 0, good.stderr
    assert "facts.json follows from them" in good.stdout
    metrics = results / located(results, f"{RUN}/train/metrics.json")
    edit(metrics)
    (results / "selected/model.safetensors").unlink()
    bad = verify(finished, results)
    assert bad.returncode == 1
    assert f"{metrics} is not what the rule train wrote" in bad.stderr
    assert f"{results / 'selected/model.safetensors'} is missing" in bad.stderr


@pytest.mark.slow
def test_verify_finds_a_forged_number_although_every_hash_was_forged_too(finished, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(finished / "results", results)
    facts = results / "facts.json"
    content = json.loads(facts.read_text())
    content["evaluation"]["accuracy"] = 0.123
    facts.write_text(json.dumps(content))
    for path in (results / "manifests").glob("*.json"):
        manifest = read_manifest(path)
        for files in (manifest.inputs, manifest.outputs):
            if "../facts.json" in files:
                files["../facts.json"] = file_sha256(facts)
        path.write_text(manifest_text_of(manifest))
    bad = verify(finished, results)
    assert bad.returncode == 1
    assert "facts.json: evaluation.accuracy is 0.123; the other files give " in bad.stderr
