# Compare finished experiments: `snakemake compare_experiments --config experiments="[default, wide]"`.
if EXPERIMENTS:
    # Not the chapters and answers of a single report.
    COMPARISON_TEMPLATES = sorted((ROOT / "report").glob("*.j2"))

    rule gather_experiments:
        input:
            facts=of_experiments("facts.json"),
            predictions=of_experiments("evaluation/predictions.csv"),
        output:
            facts=f"{COMPARISON}/comparison.json",
            curves=f"{COMPARISON}/figures/experiment_curves.svg",
        log:
            f"logs/{COMPARISON}/gather.log",
        localrule: True
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            command=command("compare_experiments"),
            settings=settings(names=EXPERIMENTS),
            code=fingerprint("compare_experiments"),
        message:
            "Comparing the experiments"
        shell:
            "{params.command:q} {params.settings:q} 2> {log:q}"

    rule report_comparison:
        input:
            made_from=COMPARISON_TEMPLATES,
            facts=rules.gather_experiments.output.facts,
            template=ROOT / "report/comparison.md.j2",
            bibliography=BIBLIOGRAPHY,
        output:
            report=f"{COMPARISON}/report.md",
        log:
            f"logs/{COMPARISON}/report.log",
        localrule: True
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        params:
            command=command("report"),
            settings=settings(),
            code=fingerprint("report", [*COMPARISON_TEMPLATES, BIBLIOGRAPHY]),
        message:
            "Filling the template of the comparison"
        shell:
            "{params.command:q} {params.settings:q} 2> {log:q}"

    use rule render as render_comparison with:
        input:
            made_from=rules.gather_experiments.output.curves,
            report=rules.report_comparison.output.report,
            style=lambda wildcards: STYLES[wildcards.format],
        output:
            document=f"{COMPARISON}/report.{{format}}",
        log:
            f"logs/{COMPARISON}/render_{{format}}.log",
        benchmark:
            f"{COMPARISON}/benchmarks/render_{{format}}.tsv"


rule compare_experiments:
    input:
        compared_documents,
