rule compare:
    input:
        expand(
            f"{STORE}{{run}}/{{trainer}}/manifest.json",
            run=OTHERS,
            trainer=TRAINERS[0],
        ),
        expand(
            f"{STORE}{{run}}/{{trainer}}/manifest.json",
            run=COMPARED,
            trainer=TRAINERS,
        ),
    output:
        comparison=f"{RESULTS}/comparison.json",
        manifest=f"{RESULTS}/manifests/compare.json",
    log:
        f"{LOGS}/compare.log",
    benchmark:
        f"{LOGS}/benchmarks/compare.tsv"
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
            f"{RESULTS}/selection.json",
            caption="../../report/captions/selection.rst",
            category="Selection",
        ),
        leaderboard=report(
            f"{RESULTS}/leaderboard.csv",
            caption="../../report/captions/leaderboard.rst",
            category="Selection",
        ),
        model=f"{RESULTS}/selected/model.safetensors",
        manifest=f"{RESULTS}/manifests/select.json",
    log:
        f"{LOGS}/select.log",
    benchmark:
        f"{LOGS}/benchmarks/select.tsv"
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
        model=f"{RESULTS}/baselines/logistic_regression.safetensors",
        baselines=f"{RESULTS}/baselines/baselines.json",
        manifest=f"{RESULTS}/manifests/baselines.json",
    log:
        f"{LOGS}/baselines.log",
    benchmark:
        f"{LOGS}/benchmarks/baselines.tsv"
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


# Apart from `figures`, which plots the results, the only rule that takes the test images as input.
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
        evaluation=f"{RESULTS}/evaluation/evaluation.json",
        predictions=report(
            f"{RESULTS}/evaluation/predictions.csv",
            caption="../../report/captions/predictions.rst",
            category="Evaluation",
        ),
        manifest=f"{RESULTS}/manifests/evaluate.json",
    log:
        f"{LOGS}/evaluate.log",
    benchmark:
        f"{LOGS}/benchmarks/evaluate.tsv"
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
