rule compare:
    input:
        expand(
            "results/runs/{run}/{trainer}/manifest.json",
            run=OTHERS,
            trainer=TRAINERS[0],
        ),
        expand(
            "results/runs/{run}/{trainer}/manifest.json",
            run=COMPARED,
            trainer=TRAINERS,
        ),
    output:
        comparison="results/comparison.json",
        manifest="results/manifests/compare.json",
    log:
        "logs/compare.log",
    benchmark:
        "logs/benchmarks/compare.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        command=command(
            "compare",
            run_folders=lambda wildcards, input, output: run_folders(
                output.comparison, COMPARED
            ),
            other_folders=lambda wildcards, input, output: run_folders(
                output.comparison, OTHERS
            ),
        ),
        settings=settings(
            trainers=TRAINERS, tolerance=config["comparison"]["tolerance"]
        ),
        code=fingerprint("compare"),
    message:
        "Comparing the trainers with each other"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule select:
    input:
        comparison=rules.compare.output.comparison,
    output:
        selection=report(
            "results/selection.json",
            caption="../../report/captions/selection.rst",
            category="Selection",
        ),
        leaderboard=report(
            "results/leaderboard.csv",
            caption="../../report/captions/leaderboard.rst",
            category="Selection",
        ),
        model="results/selected/model.safetensors",
        manifest="results/manifests/select.json",
    log:
        "logs/select.log",
    benchmark:
        "logs/benchmarks/select.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        command=command("select", run_folders=compared_runs),
        settings=settings(trainers=TRAINERS, trainer=TRAINERS[0]),
        code=fingerprint("select"),
    message:
        "Selecting the best model on validation accuracy"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


rule baselines:
    input:
        train_data=rules.prepare.output.train,
        validation_data=rules.prepare.output.validation,
    output:
        model="results/baselines/logistic_regression.safetensors",
        baselines="results/baselines/baselines.json",
        manifest="results/manifests/baselines.json",
    log:
        "logs/baselines.log",
    benchmark:
        "logs/benchmarks/baselines.tsv"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        command=command("baselines"),
        settings=settings(classes=config["data"]["classes"]),
        code=fingerprint("baselines"),
    message:
        "Fitting the baselines: majority class and logistic regression"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"


# The only rule, besides the figures of its results, that takes the test images as an input.
rule evaluate:
    input:
        model=rules.select.output.model,
        selection=rules.select.output.selection,
        baseline_model=rules.baselines.output.model,
        baselines=rules.baselines.output.baselines,
        train_data=rules.prepare.output.train,
        validation_data=rules.prepare.output.validation,
        test_data=rules.prepare.output.test,
    output:
        evaluation="results/evaluation/evaluation.json",
        predictions=report(
            "results/evaluation/predictions.csv",
            caption="../../report/captions/predictions.rst",
            category="Evaluation",
        ),
        manifest="results/manifests/evaluate.json",
    log:
        "logs/evaluate.log",
    benchmark:
        "logs/benchmarks/evaluate.tsv"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        command=command("evaluate"),
        settings=settings(
            classes=config["data"]["classes"],
            dtype=config["dtype"],
        ),
        code=fingerprint("evaluate"),
    message:
        "Evaluating the selected model on the test images, once"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"
