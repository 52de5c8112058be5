"""handgrad as a module of another workflow, in another folder, with that workflow's config and a prefix."""

import shutil
import subprocess

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


REMOTE = """
from snakemake.sourcecache import LocalGitFile


configfile: "thesis.yaml"


module handgrad:
    snakefile:
        LocalGitFile({repository!r}, "handgrad/Snakefile", ref="main")
    config:
        config["network"]


use rule * from handgrad
"""


def test_a_module_of_a_git_repository_uses_the_templates_of_the_installed_clone(small_config, tmp_path):
    """As with github(...), only the files that the Snakefile includes are fetched."""
    repository = tmp_path / "repository"
    copy_project(repository / "handgrad", small_config)
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["commit", "--quiet", "-m", "x"],
    ):
        author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", "-C", repository, *author, *command], check=True)
    installed = copy_project(tmp_path / "installed", small_config)
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "Snakefile").write_text(REMOTE.format(repository=str(repository)))
    (thesis / "thesis.yaml").write_text(yaml.safe_dump({"network": small_config}))
    options = ["--dry-run", "--printshellcmds", "all"]
    result = snakemake(thesis, *options, PYTHONPATH=str(installed / "src"))
    assert result.returncode == 0, result.stdout
    assert f"--template={installed}/report/report.md.j2" in result.stdout

    shutil.rmtree(installed / "workflow/schemas")
    result = snakemake(thesis, *options, PYTHONPATH=str(installed / "src"))
    assert result.returncode == 1
    assert "templates and schema are neither beside its Snakefile" in result.stdout
    assert "Traceback" not in result.stdout
