FIGURES = {
    "sample_images": "png",
    "training_curves": "svg",
    "leaderboard": "svg",
    "confusion_matrix": "svg",
    "misclassified_images": "png",
    "trainer_agreement": "svg",
    "epsilon_sweep": "svg",
    "calibration": "svg",
}
REPORTS = [f"results/report.{ending}" for ending in config["report"]["formats"]]
STAGES = [
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
        comparison=rules.compare.output,
        evaluation=rules.evaluate.output.evaluation,
        predictions=rules.evaluate.output.predictions,
        gradient_check=rules.check_gradients.output,
    output:
        [
            report(
                f"results/figures/{name}.{ending}",
                caption=f"../../report/captions/{name}.rst",
                category="Figures",
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
        folder=lambda wildcards, output: Path(output[0]).parent,
        run_folders=lambda wildcards, input: run_folders(input.comparison[0]),
        trainer=TRAINERS[0],
        classes=config["data"]["classes"],
        code=fingerprint("figures"),
    message:
        "Drawing the figures"
    shell:
        "python -m handgrad.stages.figures --source {input.source:q} --classes {params.classes} "
        "--train-data {input.train_data:q} --test-data {input.test_data:q} "
        "--run-folders {params.run_folders:q} --trainer {params.trainer} --selection {input.selection:q} "
        "--comparison {input.comparison:q} --evaluation {input.evaluation:q} "
        "--predictions {input.predictions:q} --gradient-check {input.gradient_check:q} "
        "--output-folder {params.folder:q} 2> {log:q}"


rule facts:
    input:
        source=rules.fetch.output.source,
        summary=rules.prepare.output.summary,
        gradient_check=rules.check_gradients.output,
        comparison=rules.compare.output,
        selection=rules.select.output.selection,
        baselines=rules.baselines.output.baselines,
        evaluation=rules.evaluate.output.evaluation,
    output:
        report(
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
        # A function, in whose text Snakemake leaves braces alone: a title may have some.
        config=lambda wildcards: json.dumps(config | {"hyperparameters": []}),
        # An argument each: the system takes long lists of arguments, but no argument above 128 KiB.
        hyperparameters=lambda wildcards: list(
            map(json.dumps, config["hyperparameters"])
        ),
        fingerprints=json.dumps({stage: fingerprint(stage) for stage in STAGES}),
        run_folders=lambda wildcards, input: run_folders(input.comparison[0]),
        trainer=TRAINERS[0],
    message:
        "Gathering every number that the report states"
    shell:
        "python -m handgrad.stages.facts --config {params.config:q} "
        "--hyperparameters {params.hyperparameters:q} --fingerprints {params.fingerprints:q} "
        "--source {input.source:q} --summary {input.summary:q} --gradient-check {input.gradient_check:q} "
        "--comparison {input.comparison:q} --selection {input.selection:q} --baselines {input.baselines:q} "
        "--evaluation {input.evaluation:q} --run-folders {params.run_folders:q} "
        "--trainer {params.trainer} --output {output:q} 2> {log:q}"


rule report:
    input:
        facts=rules.facts.output,
        template=ROOT / "report/report.md.j2",
        templates=sorted((ROOT / "report").glob("**/*.j2")),
    output:
        "results/report.md",
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
        code=fingerprint("report"),
    message:
        "Filling the report's template"
    shell:
        "python -m handgrad.stages.report --facts {input.facts:q} --template {input.template:q} "
        "--output {output:q} 2> {log:q}"


rule render:
    input:
        report=rules.report.output,
        figures=rules.figures.output,
        style=lambda wildcards: sorted(
            (ROOT / "report/style").glob(f"{wildcards.format}/*")
        ),
    output:
        "results/report.{format}",
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
        code=fingerprint("render"),
    message:
        "Typesetting the report as {wildcards.format}"
    shell:
        "python -m handgrad.stages.render --report {input.report:q} --format {wildcards.format} "
        "--style {input.style:q} --output {output:q} 2> {log:q}"


rule run_times:
    input:
        reports=REPORTS,
        facts=rules.facts.output,
    output:
        "results/run_times.csv",
    log:
        "logs/run_times.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        benchmarks=lambda wildcards, output: Path(output[0]).with_name("benchmarks"),
        code=fingerprint("run_times"),
    message:
        "Listing the run times"
    shell:
        "python -m handgrad.stages.run_times --benchmarks {params.benchmarks:q} --facts {input.facts:q} "
        "--output {output:q} 2> {log:q}"
