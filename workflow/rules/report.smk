# The figures that the templates show, such as {% call figure("calibration", "svg", alt) %}: names and endings.
FIGURES = {
    name: ending
    for folder in ("chapters", "answers")
    for template in sorted((ROOT / "report" / folder).glob("*.j2"))
    for name, ending in re.findall(
        r'call figure\("(\w+)", "(\w+)"', template.read_text(encoding="utf-8")
    )
}
REPORTS = [f"results/report.{ending}" for ending in config["report"]["formats"]]
STAGES = [
    "preflight",
    "fetch",
    "prepare",
    "check_gradients",
    "train",
    "compare",
    "select",
    "baselines",
    "evaluate",
    "figures",
    "facts",
    "report",
    "render",
]


rule figures:
    input:
        source=rules.fetch.output.source,
        train_data=rules.prepare.output.train,
        test_data=rules.prepare.output.test,
        selection=rules.select.output.selection,
        comparison=rules.compare.output.comparison,
        evaluation=rules.evaluate.output.evaluation,
        predictions=rules.evaluate.output.predictions,
        gradient_check=rules.check_gradients.output.check,
    output:
        figures=[
            report(
                f"results/figures/{name}.{ending}",
                category="Figures",
                labels={"figure": name.replace("_", " ").capitalize()},
            )
            for name, ending in FIGURES.items()
        ],
    log:
        "logs/figures.log",
    benchmark:
        "results/benchmarks/figures.tsv"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        command=command("figures", run_folders=compared_runs),
        settings=settings(trainer=TRAINERS[0], classes=config["data"]["classes"]),
        code=fingerprint("figures"),
    message:
        "Drawing the figures"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule facts:
    input:
        preflight=rules.preflight.output.record,
        source=rules.fetch.output.source,
        summary=rules.prepare.output.summary,
        gradient_check=rules.check_gradients.output.check,
        comparison=rules.compare.output.comparison,
        selection=rules.select.output.selection,
        baselines=rules.baselines.output.baselines,
        evaluation=rules.evaluate.output.evaluation,
    output:
        facts=report(
            "results/facts.json",
            caption="../../report/captions/facts.rst",
            category="Report",
        ),
    log:
        "logs/facts.log",
    benchmark:
        "results/benchmarks/facts.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        command=command("facts", run_folders=compared_runs),
        settings=settings(
            config=config | {"hyperparameters": []},
            # An argument each: Linux limits one argument to 128 KiB, all of them together to megabytes.
            hyperparameters=config["hyperparameters"],
            fingerprints={stage: fingerprint(stage) for stage in STAGES},
            trainer=TRAINERS[0],
        ),
    message:
        "Gathering every number that the report states"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule report:
    input:
        sorted((ROOT / "report").glob("**/*.j2")),
        template=ROOT / "report/report.md.j2",
        bibliography=ROOT / "report/references.bib",
        facts=rules.facts.output.facts,
    output:
        report="results/report.md",
    log:
        "logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
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
        "Filling the report's template"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule render:
    input:
        rules.figures.output,
        report=rules.report.output.report,
        style=lambda wildcards: sorted(
            (ROOT / "report/style").glob(f"{wildcards.format}/*")
        ),
    output:
        document="results/report.{format}",
    log:
        "logs/render_{format}.log",
    benchmark:
        "results/benchmarks/render_{format}.tsv"
    wildcard_constraints:
        format="html|pdf",
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        command=command("render"),
        settings=settings(),
        code=fingerprint("render"),
    message:
        "Typesetting the report as {wildcards.format}"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule run_times:
    input:
        REPORTS,
        facts=rules.facts.output.facts,
    output:
        run_times="results/run_times.csv",
    log:
        "logs/run_times.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        command=command(
            "run_times",
            benchmarks=lambda wildcards, input, output: Path(
                output.run_times
            ).with_name("benchmarks"),
        ),
        settings=settings(),
        code=fingerprint("run_times"),
    message:
        "Listing the run times"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"
