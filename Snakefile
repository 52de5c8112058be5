# The experiment: archive -> prepared data -> trainings and gradient checks -> comparison -> selection
# -> evaluation -> facts -> report. What each step does: workflow/rules/; what may be turned: config.yaml.
from snakemake.utils import min_version

min_version("9.19")


# The steps run in the README's environment (constraints.txt); this names the base for an image made of it.
container: "docker://python:3.11"


include: "workflow/rules/lock.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/checking.smk"
include: "workflow/rules/gradients.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        REPORTS,
        "results/run_times.csv",
