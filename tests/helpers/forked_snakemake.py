"""Run Snakemake's command line in each of the given folders, in forks of one process that imports it once.

The output of each fork goes to output.txt next to its folder; the exit codes are printed as JSON.
"""

import json
import os
import sys
from pathlib import Path

import pandas  # noqa: F401 - imported once for all forks, like the next module and the plugins below
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
            # Exit immediately: an orderly shutdown of the interpreter takes longer than everything else.
            os._exit(end.code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


snakemake.cli.get_argument_parser()
folders, options = json.loads(sys.argv[1]), sys.argv[2:]
print(json.dumps({folder: exit_code(Path(folder), options) for folder in folders}))
