TRAINER_CODE = dict.fromkeys(OWN_TRAINERS, fingerprint("train"))
TRAINER_CODE |= {
    trainer: fingerprint("train", [file]) for trainer, file in SUBMITTED.items()
}


rule train:
    input:
        # Unnamed, so not passed to the stage: it is already in the settings. Only if there are any: calling a
        # function three times for each job would take seconds for thousands of jobs.
        (lambda wildcards: SUBMITTED.get(wildcards.trainer, [])) if SUBMITTED else [],
        train_data=rules.prepare.output.train,
        validation_data=rules.prepare.output.validation,
    output:
        model=f"{STORE}{{run}}/{{trainer}}/model.safetensors",
        history=f"{STORE}{{run}}/{{trainer}}/history.csv",
        metrics=f"{STORE}{{run}}/{{trainer}}/metrics.json",
        predictions=f"{STORE}{{run}}/{{trainer}}/validation_predictions.csv",
        manifest=f"{STORE}{{run}}/{{trainer}}/manifest.json",
    log:
        f"logs/train/{RUN_FOLDER}{{run}}/{{trainer}}.log",
    benchmark:
        f"logs/benchmarks/train/{RUN_FOLDER}{{run}}/{{trainer}}.tsv"
    # Start trainings first; short independent jobs then fill the idle cores while the last trainings finish.
    priority: 10
    threads: config["training"]["threads"]
    resources:
        mem_mb=growing(max(2000, TRAINING_MB)),
        runtime=growing(120),
        gpu=int(config["device"] == "cuda"),
    params:
        command=command("train"),
        settings=settings(run_settings, **training_settings(config)),
        code=(
            (lambda wildcards: TRAINER_CODE[wildcards.trainer])
            if SUBMITTED
            else fingerprint("train")
        ),
    # No message: Snakemake formats it for every job even in a dry run, taking seconds for thousands of jobs.
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"
