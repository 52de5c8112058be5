rule fetch:
    input:
        ARCHIVE,
    output:
        archive="results/data/cifar-10-python.tar.gz",
        source="results/data/source.json",
    log:
        "logs/fetch.log",
    benchmark:
        "results/benchmarks/fetch.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=1000,
        runtime=180,
    params:
        source=config["data"]["source"],
        # Functions, in whose texts Snakemake leaves braces alone.
        archive=lambda wildcards: (
            [f"--archive={config['data']['archive']}"] if ARCHIVE else []
        ),
        classes=config["data"]["classes"],
        mirrors=lambda wildcards: config["data"]["mirrors"],
        md5=config["data"]["md5"],
        seed=config["seed"],
        code=fingerprint("fetch"),
    message:
        "Fetching CIFAR-10 (source: {params.source})"
    # The progress and a fall-back to the stand-in must be seen on the console, not in the log alone.
    shell:
        "python -m handgrad.stages.fetch --source {params.source} {params.archive:q} "
        "--classes {params.classes} --mirrors {params.mirrors:q} --md5 {params.md5} --seed {params.seed} "
        "--output-archive {output.archive:q} --output-source {output.source:q} 2>&1 | tee {log:q} >&2"


rule prepare:
    input:
        archive=rules.fetch.output.archive,
    output:
        train="results/data/train.safetensors",
        validation="results/data/validation.safetensors",
        test="results/data/test.safetensors",
        summary="results/data/summary.json",
    log:
        "logs/prepare.log",
    benchmark:
        "results/benchmarks/prepare.tsv"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        classes=config["data"]["classes"],
        validation_fraction=config["data"]["validation_fraction"],
        seed=config["seed"],
        code=fingerprint("prepare"),
    message:
        "Keeping {params.classes}, splitting and measuring the images"
    shell:
        "python -m handgrad.stages.prepare --archive {input.archive:q} --classes {params.classes} "
        "--validation-fraction {params.validation_fraction} --seed {params.seed} "
        "--output-train {output.train:q} --output-validation {output.validation:q} "
        "--output-test {output.test:q} --output-summary {output.summary:q} 2> {log:q}"
