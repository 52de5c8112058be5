rule check_gradients:
    output:
        check=f"{RESULTS}/gradients/check.json",
        manifest=f"{RESULTS}/manifests/check_gradients.json",
    log:
        f"{LOGS}/check_gradients.log",
    benchmark:
        f"{LOGS}/benchmarks/check_gradients.tsv"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(20),
    params:
        command=command("check_gradients"),
        settings=settings(seed=config["seed"]),
        code=fingerprint("check_gradients"),
    message:
        "Comparing backpropagation by hand with autograd and with finite differences"
    shell:
        "{params.command:q} {params.settings:q} 2> {log:q}"
