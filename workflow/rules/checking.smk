# Check submitted code: `snakemake --cores 4 check --config implementations="[FILE, 'folder/*']"`.
from handgrad.pipeline.submissions import submissions

# Removed from the config, so that a change in the submissions reruns nothing else.
SUBMISSIONS = checked(submissions, config.pop("implementations"))
CHECK = "results/check/{submission}"
CHECK_TEMPLATE = ROOT / "report/check/report.md.j2"
TABLE_TEMPLATE = ROOT / "report/check/table.md.j2"


rule check_file:
    input:
        submission=lambda wildcards: SUBMISSIONS[wildcards.submission],
    output:
        check=f"{CHECK}/check.json",
        figures=directory(f"{CHECK}/figures"),
    log:
        "logs/check/{submission}.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        command=command("check"),
        settings=settings(lambda wildcards: {}),
        code=lambda wildcards: fingerprint("check", [SUBMISSIONS[wildcards.submission]]),
    message:
        "Checking {input.submission}"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule check_report:
    input:
        facts=rules.check_file.output.check,
        template=CHECK_TEMPLATE,
    output:
        report=f"{CHECK}/report.md",
    log:
        "logs/check/{submission}_report.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        command=command("report"),
        settings=settings(lambda wildcards: {}),
        code=fingerprint("report", [CHECK_TEMPLATE]),
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule check_render:
    input:
        rules.check_file.output.figures,
        report=rules.check_report.output.report,
        style=lambda wildcards: STYLES[wildcards.format],
    output:
        document=f"{CHECK}/report.{{format}}",
    log:
        "logs/check/{submission}_{format}.log",
    wildcard_constraints:
        format="html|pdf",
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        command=command("render"),
        settings=settings(lambda wildcards: {"format": wildcards.format}),
        code=lambda wildcards: fingerprint("render", STYLES[wildcards.format]),
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule check_table:
    input:
        checks=expand(rules.check_file.output.check, submission=SUBMISSIONS),
        template=TABLE_TEMPLATE,
    output:
        page="results/check/table.md",
        table="results/check/table.csv",
    log:
        "logs/check/table.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        command=command("check_table"),
        settings=settings(),
        code=fingerprint("check_table", [TABLE_TEMPLATE]),
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule check_table_page:
    input:
        report=rules.check_table.output.page,
        style=STYLES["html"],
    output:
        document="results/check/table.html",
    log:
        "logs/check/table_page.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        command=command("render"),
        settings=settings(format="html"),
        code=fingerprint("render", STYLES["html"]),
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule check:
    input:
        expand(
            f"{CHECK}/report.{{format}}",
            submission=SUBMISSIONS,
            format=["md", "html", "pdf"],
        ),
        rules.check_table_page.output,
        rules.check_table.output,
