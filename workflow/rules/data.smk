rule fetch:
    input:
        ARCHIVE,
    output:
        archive=f"{DATA}cifar-10-python.tar.gz",
        source=f"{DATA}source.json",
        manifest=f"{DATA_MANIFESTS}fetch.json",
    log:
        f"logs/{DATA_FOLDER}fetch.log",
    benchmark:
        f"logs/benchmarks/{DATA_FOLDER}fetch.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=180,
    params:
        command=command("fetch"),
        settings=settings(
            source=config["data"]["source"],
            archive=config["data"]["archive"] if ARCHIVE else None,
            classes=config["data"]["classes"],
            images_per_class=config["data"]["images_per_class"],
            mirrors=config["data"]["mirrors"],
            md5=config["data"]["md5"],
            seed=config["seed"],
        ),
        archive_sha256=ARCHIVE_SHA256,
        code=fingerprint("fetch"),
    message:
        f"Fetching CIFAR-10 (source: {config['data']['source']})"
    # Progress, and a fallback to synthetic images, must appear on the console as well as in the log.
    shell:
        "{params.command:q} {params.settings:q} 2>&1 | tee {log:q} >&2"


rule prepare:
    input:
        archive=rules.fetch.output.archive,
    output:
        train=f"{DATA}train.safetensors",
        validation=f"{DATA}validation.safetensors",
        test=f"{DATA}test.safetensors",
        summary=f"{DATA}summary.json",
        manifest=f"{DATA_MANIFESTS}prepare.json",
    log:
        f"logs/{DATA_FOLDER}prepare.log",
    benchmark:
        f"logs/benchmarks/{DATA_FOLDER}prepare.tsv"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        command=command("prepare"),
        settings=settings(
            classes=config["data"]["classes"],
            validation_fraction=config["data"]["validation_fraction"],
            images_per_class=config["data"]["images_per_class"],
            seed=config["seed"],
        ),
        code=fingerprint("prepare"),
    message:
        f"Keeping {' '.join(config['data']['classes'])}, splitting and measuring the images"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"
