rule compare:
    input:
        expand(
            "results/runs/{run}/{trainer}/model.safetensors",
            run=RUNS,
            trainer=TRAINERS,
        ),
    output:
        "results/comparison.json",
    log:
        "logs/compare.log",
    benchmark:
        "results/benchmarks/compare.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        run_folders=lambda wildcards, output: run_folders(output[0]),
        trainers=TRAINERS,
        tolerance=config["comparison"]["tolerance"],
        code=fingerprint("compare"),
    message:
        "Comparing the trainers with each other"
    shell:
        "python -m handgrad.stages.compare --run-folders {params.run_folders:q} "
        "--trainers {params.trainers} --tolerance {params.tolerance} --output {output:q} 2> {log:q}"


rule select:
    input:
        comparison=rules.compare.output,
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
    log:
        "logs/select.log",
    benchmark:
        "results/benchmarks/select.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        run_folders=lambda wildcards, input: run_folders(input.comparison[0]),
        trainers=TRAINERS,
        trainer=TRAINERS[0],
        code=fingerprint("select"),
    message:
        "Selecting the best model on validation accuracy"
    shell:
        "python -m handgrad.stages.select --run-folders {params.run_folders:q} "
        "--trainer {params.trainer} --trainers {params.trainers} --comparison {input.comparison:q} "
        "--output {output.selection:q} --output-leaderboard {output.leaderboard:q} "
        "--output-model {output.model:q} 2> {log:q}"


rule baselines:
    input:
        train_data=rules.prepare.output.train,
        validation_data=rules.prepare.output.validation,
    output:
        model="results/baselines/logistic_regression.safetensors",
        baselines="results/baselines/baselines.json",
    log:
        "logs/baselines.log",
    benchmark:
        "results/benchmarks/baselines.tsv"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        classes=config["data"]["classes"],
        code=fingerprint("baselines"),
    message:
        "Fitting the baselines: majority class and logistic regression"
    shell:
        "python -m handgrad.stages.baselines --train-data {input.train_data:q} "
        "--validation-data {input.validation_data:q} --classes {params.classes} "
        "--output-model {output.model:q} --output {output.baselines:q} 2> {log:q}"


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
    log:
        "logs/evaluate.log",
    benchmark:
        "results/benchmarks/evaluate.tsv"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        classes=config["data"]["classes"],
        hidden=config["model"]["hidden"],
        activation=config["model"]["activation"],
        dtype=config["dtype"],
        code=fingerprint("evaluate"),
    message:
        "Evaluating the selected model on the test images, once"
    shell:
        "python -m handgrad.stages.evaluate --model {input.model:q} --selection {input.selection:q} "
        "--baseline-model {input.baseline_model:q} --baselines {input.baselines:q} "
        "--train-data {input.train_data:q} --validation-data {input.validation_data:q} "
        "--test-data {input.test_data:q} --classes {params.classes} --hidden {params.hidden} "
        "--activation {params.activation} --dtype {params.dtype} "
        "--output {output.evaluation:q} --output-predictions {output.predictions:q} 2> {log:q}"
