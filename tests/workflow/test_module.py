"""handgrad as a module of another workflow, in another folder, with that workflow's config and a prefix."""

import shutil

import yaml
from helpers.projects import copy_project, result_files, snakemake

THESIS = """
configfile: "thesis.yaml"


module handgrad:
    snakefile:
        "../handgrad/Snakefile"
    config:
        config["network"]
    prefix:
        "network"


use rule * from handgrad as handgrad_*


rule thesis:
    default_target: True
    input:
        rules.handgrad_all.input,
        report=rules.handgrad_report.output.report,
    output:
        "thesis.md",
    shell:
        "cp {input.report} {output}"
"""


def test_another_workflow_gets_the_same_report(finished_run, small_config, tmp_path):
    finished, _ = finished_run
    # The module's own config.yaml differs, and must be ignored.
    handgrad = copy_project(tmp_path / "handgrad", {"training": {"epochs": 77}})
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "Snakefile").write_text(THESIS)
    (thesis / "thesis.yaml").write_text(yaml.safe_dump({"network": small_config}))
    result = snakemake(thesis, "--cores", "2", PYTHONPATH=str(handgrad / "src"))
    assert result.returncode == 0, result.stdout
    assert not (handgrad / "results").exists()
    files = result_files(thesis / "network")
    assert files["report.pdf"].startswith(b"%PDF")
    # Files that name the selected run's folder include the prefix; the PDF's text is compressed.
    plain = {name: content.replace(b"network/results", b"results") for name, content in files.items()}
    expected = result_files(finished)
    # Manifests hold the hashes of files with and without the prefix.
    others = [name for name in expected if not name.startswith("manifests/") and name != "report.pdf"]
    assert plain.keys() == expected.keys()
    assert [name for name in others if plain[name] != expected[name]] == []
    assert (thesis / "thesis.md").read_bytes() == files["report.md"]


def test_a_snakefile_without_its_templates_says_what_to_do(small_config, tmp_path):
    handgrad = copy_project(tmp_path / "handgrad", small_config)
    # As for a remote module: the included files are there, but the files that they read are not.
    shutil.rmtree(handgrad / "workflow/schemas")
    result = snakemake(handgrad, "--cores", "1")
    assert result.returncode == 1
    assert "without its templates and schema; clone handgrad" in result.stdout
    assert "Traceback" not in result.stdout
