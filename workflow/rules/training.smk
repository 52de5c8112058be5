rule train:
    input:
        # Not passed by its name: the settings have it.
        lambda wildcards: SUBMITTED.get(wildcards.trainer, []),
        train_data=rules.prepare.output.train,
        validation_data=rules.prepare.output.validation,
    output:
        model=f"{RUN}/model.safetensors",
        history=f"{RUN}/history.csv",
        metrics=f"{RUN}/metrics.json",
        predictions=f"{RUN}/validation_predictions.csv",
        manifest=f"{RUN}/manifest.json",
    log:
        "logs/train/{run}/{trainer}.log",
    benchmark:
        "logs/benchmarks/train/{run}/{trainer}.tsv"
    # Trainings first: the short jobs that wait for nothing then fill the cores while the last ones end.
    priority: 10
    threads: config["training"]["threads"]
    resources:
        mem_mb=growing(max(2000, TRAINING_MB)),
        runtime=growing(120),
        gpu=int(config["device"] == "cuda"),
    params:
        command=command("train"),
        settings=settings(
            run_settings,
            dtype=config["dtype"],
            device=config["device"],
            # Not {threads}, which Snakemake lowers to --cores: results must not depend on it.
            threads=config["training"]["threads"],
            gradient_check_every=config["gradients"]["check_every"],
            checkpoint_every=config["training"]["checkpoint_every"],
        ),
        code=fingerprint("train"),
    # No message: Snakemake formats it for every job even in a dry run, which takes seconds for thousands.
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"
