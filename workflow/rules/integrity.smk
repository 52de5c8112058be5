# Jobs whose results were modified or deleted count as unfinished, so that they run again.
from contextlib import suppress
from pathlib import Path

from snakemake.logging import logger

from handgrad.pipeline.manifests import Hashes, altered

hashes = Hashes(Path(".snakemake/handgrad_hashes.json"))
# Timestamps are not enough: a replaced archive may be older than the results made from the previous one.
ARCHIVE_SHA256 = [hashes(path) for path in ARCHIVE]

if workflow.is_main_process:
    for manifest, reason in altered(Path("results"), hashes).items():
        logger.warning(f"{reason}; its job runs again.")
        # A job is finished when its manifest exists. Removed even in a dry run, or its plan would be empty.
        with suppress(OSError):  # read-only results, which no job can change
            manifest.unlink()
    hashes.save()
