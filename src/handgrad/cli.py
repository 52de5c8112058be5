"""The command line `handgrad COMMAND ...`: each command is the `main(arguments)` of a separate module."""

import argparse
import sys
from importlib import import_module

from handgrad.errors import HandgradError

# Command: (module, one line of help). A module is imported only when its command is run.
COMMANDS = {
    "check": (
        "handgrad.checking.command",
        "check the backpropagation of scripts and notebooks, and name mistakes",
    ),
    "curves": ("handgrad.stages.curves", "plot the trainings that are running, in the terminal"),
    "verify": ("handgrad.stages.verify", "check a results folder against the hashes that it records"),
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command named by the first argument with the remaining arguments."""
    width = max(map(len, COMMANDS)) + 2
    parser = argparse.ArgumentParser(
        prog="handgrad",
        usage="handgrad COMMAND ...",
        epilog="\n".join(["commands:", *(f"  {name:{width}}{text}" for name, (_, text) in COMMANDS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS)
    words = sys.argv[1:] if arguments is None else arguments
    command = parser.parse_args(words[:1]).command
    try:
        import_module(COMMANDS[command][0]).main(words[1:])
    except (HandgradError, OSError) as error:
        sys.exit(f"error: {error}")
