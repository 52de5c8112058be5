rule train:
    input:
        train_data=rules.prepare.output.train,
        validation_data=rules.prepare.output.validation,
    output:
        model=f"{RUN}/model.safetensors",
        history=f"{RUN}/history.csv",
        metrics=f"{RUN}/metrics.json",
        predictions=f"{RUN}/validation_predictions.csv",
    log:
        "logs/train/{run}/{trainer}.log",
    benchmark:
        "results/benchmarks/train/{run}/{trainer}.tsv"
    # Trainings first: the short jobs that wait for nothing then fill the cores while the last ones end.
    priority: 10
    threads: config["training"]["threads"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
        gpu=int(config["device"] == "cuda"),
    params:
        run=run_options,
        epochs=config["training"]["epochs"],
        batch_size=config["training"]["batch_size"],
        hidden=config["model"]["hidden"],
        activation=config["model"]["activation"],
        dtype=config["dtype"],
        device=config["device"],
        # Not {threads}, which Snakemake lowers to --cores: the results must not depend on that.
        threads=config["training"]["threads"],
        check_every=config["gradients"]["check_every"],
        checkpoint_every=config["training"]["checkpoint_every"],
        code=fingerprint("train"),
    # No message: Snakemake words it for every job even of a dry run, which shows with thousands of them.
    shell:
        "python -m handgrad.stages.train "
        "--train-data {input.train_data:q} --validation-data {input.validation_data:q} "
        "--trainer {wildcards.trainer} {params.run} --epochs {params.epochs} "
        "--batch-size {params.batch_size} --hidden {params.hidden} --activation {params.activation} "
        "--dtype {params.dtype} --device {params.device} --threads {params.threads} "
        "--gradient-check-every {params.check_every} --checkpoint-every {params.checkpoint_every} "
        "--output-model {output.model:q} --output-history {output.history:q} "
        "--output-metrics {output.metrics:q} --output-predictions {output.predictions:q} 2> {log:q}"
