"""Command lines of the stages, derived from their options.

A stage declares its options once, as a frozen dataclass:

    @dataclass(frozen=True)
    class Options:
        archive: Path
        seed: Annotated[int, "of the train-validation split"]
        classes: list[str]
        device: Literal["cpu", "cuda"] = "cpu"

and `run_stage(main, Options)` parses the command line
`--archive PATH --seed INT --classes STR ... [--device {cpu,cuda}]` and passes the options to `main`. `flags`
writes such a command line.
"""

import dataclasses
import json
import logging
import sys
import types
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from handgrad.errors import HandgradError
from handgrad.pipeline.manifests import checked_inputs, manifest_text
from handgrad.stages.files import write_text

Options = TypeVar("Options")


def run_stage(main: Callable[[Options], None], options: type[Options], run_files: Sequence[str] = ()) -> None:
    """Call `main` with the options given on this process's command line.

    Every stage also accepts `--output-manifest PATH`. With it, the input files are verified before `main`
    runs, and a manifest of inputs and outputs is written at the end (see `handgrad.pipeline.manifests`).
    Inputs are the files in the options and those in `--made-from`, which the stage locates itself.

    An error that the user can cause is reported as one line on standard error, with exit status 1.

    Args:
        run_files: the files that `main` reads from each trainer's folder in `run_folders`.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        parser = _parser(options)
        parser.add_argument("--output-manifest", type=Path)
        parser.add_argument("--made-from", type=Path, nargs="*", default=[])
        values = vars(parser.parse_args())
        manifest, more_inputs = values.pop("output_manifest"), values.pop("made_from")
        if manifest is None:
            main(options(**values))
            return
        inputs = checked_inputs([*_inputs(values, run_files), *more_inputs])
        main(options(**values))
        stage = Path(sys.argv[0]).stem
        outputs = [path for name, path in _paths(values) if name.startswith("output_")]
        write_text(manifest, manifest_text(stage, manifest, inputs, outputs))
    except (HandgradError, OSError) as error:
        sys.exit(f"error: {error}")
    except MemoryError as error:
        sys.exit(f"error: out of memory{f' ({error})' * bool(str(error))}; free some, or raise `ulimit -v`")


def _inputs(values: Mapping[str, Any], run_files: Sequence[str]) -> list[Path]:
    """Return the files that a stage reads: those given in the options, and `run_files` of each training."""
    files = [path for name, path in _paths(values) if not name.startswith("output_") and path.is_file()]
    folders = [*values.get("run_folders", []), *values.get("other_folders", [])]
    trainings = [
        folder / str(trainer)
        for folder in folders
        for trainer in values.get("trainers") or [values.get("trainer")]
    ]
    # If only the first trainer trained a run, the other trainers have no folder there.
    return files + [training / name for training in trainings if training.is_dir() for name in run_files]


def _paths(values: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield each path among the option values, with the option's name."""
    for name, value in values.items():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                yield name, path


def parse(options: type[Options], arguments: Sequence[str] | None = None) -> Options:
    """Parse a command line; `--help` lists the options and exits.

    Args:
        options: A dataclass. Its fields have type str, int, float, bool, Path, Literal or dict (written as
            JSON), or are a list or tuple of one of these, or optional. In `Annotated[type, ...]`, a string is
            the help text, and a collection holds the accepted values.
        arguments: The command-line arguments; by default those of this process.

    Raises:
        HandgradError: if an option is unknown or missing, or a value does not have the option's type.
    """
    return options(**vars(_parser(options).parse_args(arguments)))


def _parser(options: type[Any]) -> ArgumentParser:
    parser = _Parser(description=sys.modules[options.__module__].__doc__, allow_abbrev=False)
    hints = get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        required = field.default is dataclasses.MISSING
        presence = {"required": True} if required else {"default": field.default}
        parser.add_argument(_flag(field.name), **presence, **_argument(hints[field.name]))
    return parser


def flags(values: Mapping[str, Any]) -> list[str]:
    """Return the command-line arguments that `parse` turns back into these values; None omits an option."""
    words: list[str] = []
    for name, value in values.items():
        if isinstance(value, list | tuple):
            words += [_flag(name), *map(_word, value)]
        elif value is not None:
            words.append(f"{_flag(name)}={_word(value)}")
    return words


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise HandgradError(f"{message}; --help lists the options")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _argument(hint: Any) -> dict[str, Any]:
    """Return the keyword arguments of `add_argument` for a field of this type."""
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        more = {"help" if isinstance(note, str) else "choices": note for note in notes}
        return {**_argument(hint), **more}
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = set(get_args(hint)) - {type(None)}
    if get_origin(hint) in (list, tuple):
        return {**_argument(get_args(hint)[0]), "nargs": "*"}
    if get_origin(hint) is Literal:
        return {"choices": get_args(hint)}
    if get_origin(hint) is dict:
        return {"type": _json, "metavar": "JSON"}
    if hint is bool:
        return {"type": _boolean, "metavar": "{true,false}"}
    return {"type": hint, "metavar": hint.__name__.upper()}


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | dict) else str(value)


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise ArgumentTypeError(f"{text!r} is neither true nor false") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"not valid JSON ({error})") from None
