"""Properties of the dependency graph itself."""

import csv
import io

from helpers.projects import run, snakemake


def inputs_of(project):
    """The input files of each output file's job, from Snakemake's own summary."""
    output = run(project, "--detailed-summary", "--quiet")
    table = output[output.index("output_file") :]
    rows = csv.DictReader(io.StringIO(table), delimiter="\t")
    return {row["output_file"]: set(row["input-file(s)"].split(",")) - {"-"} for row in rows}


def ancestors(file, inputs):
    found = set()
    waiting = [file]
    while waiting:
        new = inputs.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def test_selection_has_the_validation_images_but_never_the_test_images_among_its_ancestors(project):
    found = ancestors("results/selection.json", inputs_of(project))
    assert "results/data/validation.safetensors" in found
    assert "results/data/test.safetensors" not in found


def test_only_the_evaluation_and_the_figures_take_the_test_images(project):
    inputs = inputs_of(project)
    takers = {file for file, files in inputs.items() if "results/data/test.safetensors" in files}
    manifests = {file for file in takers if file.startswith("results/manifests/")}
    assert manifests == {"results/manifests/evaluate.json", "results/manifests/figures.json"}
    assert {file.split("/")[1] for file in takers - manifests} == {"evaluation", "figures"}


def test_deploying_software_by_snakemake_puts_no_step_into_an_image_without_handgrad(project):
    output = run(project, "--dry-run", "--forceall", "--sdm", "apptainer")
    assert "container" not in output.lower()
    assert "python:3" not in output


def test_the_workflow_passes_snakemake_lint(project):
    result = snakemake(project, "--lint")
    assert result.returncode == 0, result.stdout
    assert "Congratulations" in result.stdout
