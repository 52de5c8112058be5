# Before the first training: can this experiment run to completion on this machine?

# At most five combinations, spread over the config: enough to reveal a disagreement, yet done in seconds.
TRIED = list(RUNS.values())[:: max(1, -(-len(RUNS) // 5))]


rule preflight:
    output:
        record=f"{RESULTS}/preflight.json",
        manifest=f"{RESULTS}/manifests/preflight.json",
    log:
        f"{LOGS}/preflight.log",
    benchmark:
        f"{LOGS}/benchmarks/preflight.tsv"
    # Runs before all other jobs, including the download; a failure stops the run before new jobs start. Not
    # an input of the trainings: repeating the check must not repeat them, and an ancient() input would hide
    # other changes (Snakemake 9.27 does not examine the jobs downstream of one that runs).
    priority: 100
    threads: config["training"]["threads"]
    resources:
        mem_mb=growing(max(2000, TRAINING_MB)),
        runtime=growing(10),
        gpu=int(config["device"] == "cuda"),
        # A resource, not a parameter: changing --cores must rerun nothing.
        trainings=trainings_at_once(),
    params:
        command=command("preflight"),
        settings=settings(
            trainers=OWN_TRAINERS,
            combinations=[combination.settings() for combination, _ in TRIED],
            seed=config["seed"],
            classes=len(config["data"]["classes"]),
            dtype=config["dtype"],
            device=config["device"],
            threads=config["training"]["threads"],
            tolerance=config["comparison"]["tolerance"],
            formats=config["report"]["formats"],
            style=ROOT / "report/style",
            training_mb=TRAINING_MB,
            disk_mb=disk_mb(config, [combination for combination, _ in RUNS.values()]),
        ),
        code=fingerprint("preflight"),
    message:
        "Checking that this experiment can run to its end here"
    shell:
        "{params.command:q} {params.settings:q} --trainings-at-once {resources.trainings} 2> {log:q}"
