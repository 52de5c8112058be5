# Compare finished experiments: `snakemake compare_experiments --config experiments="[default, wide]"`.
if EXPERIMENTS:

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
            made_from=sorted((ROOT / "report").glob("*.j2")),
            facts=rules.gather_experiments.output.facts,
            template=ROOT / "report/comparison.md.j2",
            bibliography=ROOT / "report/references.bib",
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
            code=fingerprint("report"),
        message:
            "Filling the template of the comparison"
        shell:
            "{params.command:q} {params.settings:q} 2> {log:q}"

    use rule render as render_comparison with:
        input:
            made_from=rules.gather_experiments.output.curves,
            report=rules.report_comparison.output.report,
            style=lambda wildcards: sorted(
                (ROOT / "report/style").glob(f"{wildcards.format}/*")
            ),
        output:
            document=f"{COMPARISON}/report.{{format}}",
        log:
            f"logs/{COMPARISON}/render_{{format}}.log",
        benchmark:
            f"{COMPARISON}/benchmarks/render_{{format}}.tsv"


rule compare_experiments:
    input:
        compared_documents,
