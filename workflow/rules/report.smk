# Names and extensions of the figures in the templates, as in {% call figure("calibration", "svg", alt) %}.
FIGURES = {
    name: ending
    for folder in ("chapters", "answers")
    for template in sorted((ROOT / "report" / folder).glob("*.j2"))
    for name, ending in re.findall(
        r'call figure\("(\w+)", "(\w+)"', template.read_text(encoding="utf-8")
    )
}
REPORTS = [f"{RESULTS}/report.{ending}" for ending in config["report"]["formats"]]
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
# The manifests of all jobs except the trainings, which are inputs of `compare`.
MANIFESTS = [f"{DATA_MANIFESTS}{stage}.json" for stage in ("fetch", "prepare")]
MANIFESTS += [
    f"{RESULTS}/manifests/{name}.json"
    for name in [
        *(
            stage
            for stage in STAGES
            if stage not in ("fetch", "prepare", "train", "render")
        ),
        *(f"render_{form}" for form in config["report"]["formats"] if form != "md"),
        "run_times",
    ]
]


rule figures:
    input:
        source=rules.fetch.output.source,
        train_data=rules.prepare.output.train,
        test_data=rules.prepare.output.test,
        selection=rules.select.output.selection,
        # Not read: it makes the rule depend on the runs, see `run_folders`.
        made_from=rules.compare.output.comparison,
        evaluation=rules.evaluate.output.evaluation,
        predictions=rules.evaluate.output.predictions,
        gradient_check=rules.check_gradients.output.check,
    output:
        figures=[
            report(
                f"{RESULTS}/figures/{name}.{ending}",
                category="Figures",
                labels={"figure": name.replace("_", " ").capitalize()},
            )
            for name, ending in FIGURES.items()
        ],
        manifest=f"{RESULTS}/manifests/figures.json",
    log:
        f"{LOGS}/figures.log",
    benchmark:
        f"{LOGS}/benchmarks/figures.tsv"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        command=command(
            "figures",
            run_folders=lambda wildcards, input, output: run_folders(input.made_from),
        ),
        settings=settings(trainer=TRAINERS[0], classes=config["data"]["classes"]),
        code=fingerprint("figures"),
    message:
        "Drawing the figures"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule facts:
    input:
        preflight=rules.preflight.output.record,
        # The facts state whether the templates have uncommitted changes.
        made_from=TEMPLATES,
        source=rules.fetch.output.source,
        summary=rules.prepare.output.summary,
        gradient_check=rules.check_gradients.output.check,
        comparison=rules.compare.output.comparison,
        selection=rules.select.output.selection,
        baselines=rules.baselines.output.baselines,
        evaluation=rules.evaluate.output.evaluation,
    output:
        facts=report(
            f"{RESULTS}/facts.json",
            caption="../../report/captions/facts.rst",
            category="Report",
        ),
        manifest=f"{RESULTS}/manifests/facts.json",
    log:
        f"{LOGS}/facts.log",
    benchmark:
        f"{LOGS}/benchmarks/facts.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        command=command("facts", run_folders=compared_runs),
        settings=settings(
            config=config | {"hyperparameters": []},
            # One argument each: Linux limits an argument to 128 KiB, but the total to several megabytes.
            hyperparameters=config["hyperparameters"],
            fingerprints={stage: fingerprint(stage) for stage in STAGES},
            trainer=TRAINERS[0],
        ),
        code=fingerprint("facts", TEMPLATES),
    message:
        "Gathering every number that the report states"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule report:
    input:
        template=ROOT / "report/report.md.j2",
        bibliography=BIBLIOGRAPHY,
        made_from=TEMPLATES,
        facts=rules.facts.output.facts,
    output:
        report=f"{RESULTS}/report.md",
        manifest=f"{RESULTS}/manifests/report.json",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{LOGS}/benchmarks/report.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        command=command("report"),
        settings=settings(),
        code=fingerprint("report", [*TEMPLATES, BIBLIOGRAPHY]),
    message:
        "Filling the report's template"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule render:
    input:
        report=rules.report.output.report,
        facts=rules.facts.output.facts,
        made_from=rules.figures.output.figures,
        style=lambda wildcards: STYLES[wildcards.format],
    output:
        document=f"{RESULTS}/report.{{format}}",
        manifest=f"{RESULTS}/manifests/render_{{format}}.json",
    log:
        f"{LOGS}/render_{{format}}.log",
    benchmark:
        f"{LOGS}/benchmarks/render_{{format}}.tsv"
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
        code=lambda wildcards: fingerprint("render", STYLES[wildcards.format]),
    message:
        "Typesetting the report as {wildcards.format}"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule run_times:
    input:
        REPORTS,
        facts=rules.facts.output.facts,
    output:
        run_times=f"{RESULTS}/run_times.csv",
        manifest=f"{RESULTS}/manifests/run_times.json",
    log:
        f"{LOGS}/run_times.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        command=command(
            "run_times",
            benchmarks=lambda wildcards, input, output: beside(
                output.run_times, f"{LOGS}/benchmarks"
            ),
            training_benchmarks=lambda wildcards, input, output: beside(
                output.run_times, f"logs/benchmarks/train/{RUN_FOLDER}"
            ),
        ),
        settings=settings(runs=list(RUNS), trainers=TRAINERS),
        code=fingerprint("run_times"),
    message:
        "Listing the run times"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"
