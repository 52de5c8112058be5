"""Snakemake's command line in each of the folders given: in forks of one process, which imports it once.

Each fork leaves what it printed in output.txt beside its folder; printed are the exit codes as JSON.
"""

import json
import os
import sys
from pathlib import Path

import pandas  # noqa: F401 - imported here for all forks, as is the next, and as Snakemake's plugins are below
import snakemake.cli

import handgrad.pipeline.config  # noqa: F401


def exit_code(folder: Path, options: list[str]) -> int:
    child = os.fork()
    if child == 0:
        output = os.open(folder.parent / "output.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(folder)
        try:
            snakemake.cli.main(options)
        except SystemExit as end:
            sys.stdout.flush()
            # At once: an orderly end of the interpreter takes longer than the rest.
            os._exit(end.code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


snakemake.cli.get_argument_parser()
folders, options = json.loads(sys.argv[1]), sys.argv[2:]
print(json.dumps({folder: exit_code(Path(folder), options) for folder in folders}))
