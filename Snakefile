# The experiment: archive -> prepared data -> trainings and gradient checks -> comparison -> selection
# -> evaluation -> facts -> report. The steps are defined in workflow/rules/; all settings are in config.yaml.
import sys

from snakemake.utils import min_version

min_version("9.19")


if "--lint" in sys.argv:
    # The linter expects a container or conda environment for each rule. The steps need handgrad itself, which
    # is installed together with Snakemake (README): under --sdm apptainer, an image without it would break.
    from snakemake.linting.rules import RuleLinter

    RuleLinter.lint_missing_software_definition = lambda self, rule: []


include: "workflow/rules/lock.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/integrity.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/checking.smk"
include: "workflow/rules/gradients.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/comparison.smk"


rule all:
    default_target: True
    input:
        rules.preflight.output,
        REPORTS,
        MANIFESTS,
        f"{RESULTS}/run_times.csv",
