# Two runs in one folder: Snakemake lets the second end with a message; this says who the first is.
from pathlib import Path

from snakemake.logging import logger

from handgrad.pipeline.locks import lock_holder, record_holder

if workflow.is_main_process and (holder := lock_holder(Path.cwd())):
    logger.warning(f"This folder is locked by {holder}.")


onstart:
    record_holder(Path.cwd())
