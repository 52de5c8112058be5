# Check that this folder is writable, and report who holds Snakemake's lock, which Snakemake itself does not.
import os
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from handgrad.pipeline.locks import lock_holder, record_holder

try:
    with tempfile.TemporaryFile(dir=".") as probe:
        probe.write(bytes(2**16))
except OSError as error:
    raise WorkflowError(
        f"{Path.cwd()} cannot be written to ({os.strerror(error.errno)}); "
        "expected a folder for results, logs and Snakemake's records"
    ) from None

if workflow.is_main_process and (holder := lock_holder(Path.cwd())):
    logger.warning(f"This folder is locked by {holder}.")


onstart:
    if Path("results").exists() and not os.access("results", os.W_OK):
        raise WorkflowError("results/ cannot be written to; nothing was run")
    record_holder(Path.cwd())
