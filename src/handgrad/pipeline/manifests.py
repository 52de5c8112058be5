"""Manifests: the SHA-256 hashes of the files that each job read and wrote.

A job writes its manifest last, so its outputs are complete and unmodified exactly if they match the manifest.
Each job verifies its inputs against the manifests of the jobs that made them, and when Snakemake starts,
`altered` finds all outputs that are missing or modified, so that their jobs run again.

The manifest of a training run is in the run's folder. Manifests of other jobs are in results/manifests/ or,
for outputs of a named experiment (see `experiments`), in a folder manifests/ next to the outputs. Paths in a
manifest are relative to its folder, so that results can be moved.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from handgrad.errors import HandgradError

FOLDER = "manifests"
OF_TRAINING = "manifest.json"
SEAL = b'  "sha256_of_this": "'


@dataclass(frozen=True)
class Manifest:
    """The stage that ran, and the SHA-256 of each file that it read or wrote, keyed by relative path."""

    stage: str
    inputs: dict[str, str]
    outputs: dict[str, str]


class Hashes:
    """A cache of SHA-256 hashes. A file is read again only if its size, times or inode have changed.

    The time of the last status change (ctime) cannot be set back, so no edit goes unnoticed.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._known: dict[str, list[Any]] = {}
        if store is not None and store.exists():
            with suppress(ValueError):  # the cache is damaged: read all files again
                self._known = dict(json.loads(store.read_text(encoding="utf-8")))
        self.used: dict[str, list[Any]] = {}

    def __call__(self, path: Path) -> str:
        status = path.stat()
        key = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        name = os.fspath(path)
        known = self._known.get(name)
        if known is None or known[:-1] != key:
            known = [*key, file_sha256(path)]
        self.used[name] = self._known[name] = known
        return str(known[-1])

    def save(self) -> None:
        """Save the hashes that were requested and drop all others."""
        if self._store is not None:
            self._store.parent.mkdir(exist_ok=True)
            temporary = self._store.with_name(f"{self._store.name}.{os.getpid()}")
            temporary.write_text(json.dumps(self.used), encoding="utf-8")
            temporary.replace(self._store)


def file_sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_text(stage: str, path: Path, inputs: dict[Path, str], outputs: Iterable[Path]) -> str:
    """The text of the manifest to write to `path`, from the inputs' hashes and the existing outputs."""
    manifest = Manifest(
        stage,
        {_relative(file, path): sha256 for file, sha256 in sorted(inputs.items())},
        {_relative(file, path): file_sha256(file) for file in sorted(outputs)},
    )
    return text(manifest)


def read_manifest(path: Path) -> Manifest:
    """Read the manifest at `path`.

    Raises:
        HandgradError: if it is not byte for byte as written by `manifest_text`.
        OSError: if it cannot be read.
    """
    body = path.read_bytes()
    if body == _sealed(body.rpartition(SEAL)[0]):
        with suppress(ValueError, LookupError, TypeError):
            content = json.loads(body)
            return Manifest(content["stage"], content["inputs"], content["outputs"])
    raise HandgradError(f"{path}: this manifest was changed; run snakemake again to remake it")


def checked_inputs(paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each file, verified against the manifest of the job that made it.

    Raises:
        HandgradError: if a file does not match; the message names the file, the stage that made it, and what
            to do.
        OSError: if a file cannot be read.
    """
    hashes = {}
    for path in paths:
        hashes[path] = file_sha256(path)
        made = _recorded(path)
        if made is not None and made[1] != hashes[path]:
            raise HandgradError(
                f"{path}: not the file that the rule {made[0]} wrote (the SHA-256 differs); "
                "run snakemake again to remake it"
            )
    return hashes


def altered(results: Path, hashes: Hashes) -> dict[Path, str]:
    """The manifests in a results folder that are no longer valid, each with the reason.

    Either an output is missing or modified, or the manifest itself was modified, or a training run among the
    inputs is missing or modified: Snakemake does not notice a missing intermediate file if the files made
    from it exist.
    """
    reasons = {}
    intact = {}
    for path in manifests(results):
        manifest, problems = _checked(path, hashes)
        if manifest is None or problems:
            reasons[path] = problems[-1]
        else:
            intact[path] = manifest
    runs = f"{results / 'runs'}{os.sep}"
    trainings = {os.fspath(path.parent) for path in intact if path.name == OF_TRAINING}
    for path, manifest in intact.items():
        if path.name == OF_TRAINING:
            continue  # made from data alone
        folders = {name.rpartition("/")[0] for name in manifest.inputs}
        read = {os.path.normpath(path.parent / folder) for folder in folders}
        for folder in sorted({folder for folder in read if folder.startswith(runs)} - trainings)[:1]:
            reasons[path] = f"{path} was made from {folder}, which is missing or changed"
    return reasons


def unsupported(results: Path, store: Path, hashes: Hashes) -> list[str]:
    """A line for each contradiction between the files behind a results folder and the records of their jobs.

    These jobs are the ones whose manifests are in the folder, the ones that made their inputs, and so on.

    Args:
        results: the results folder of one experiment.
        store: the folder with the prepared data and the runs; files outside it, such as templates, have no
            manifest.
    """
    made = {}
    for path in manifests(store):
        with suppress(HandgradError):  # reported below if a file that it lists is needed
            for file, sha256 in _located(path, read_manifest(path).outputs):
                made[file] = path, sha256
    lines = []
    pending = sorted((results / FOLDER).glob("*.json"))
    seen = set(pending)
    while pending:
        path = pending.pop()
        manifest, problems = _checked(path, hashes)
        lines += problems
        if manifest is None:
            continue
        for file, sha256 in _located(path, manifest.inputs):
            if file in made:
                writer, written = made[file]
                if written != sha256:
                    lines.append(f"{file}: the rule {manifest.stage} read another version of it")
                if writer not in seen:
                    seen.add(writer)
                    pending.append(writer)
            elif not os.path.relpath(file, store).startswith(os.pardir):
                lines.append(f"{file}: read by other jobs, but no manifest in {store} lists it")
    return list(dict.fromkeys(lines))


def _checked(path: Path, hashes: Hashes) -> tuple[Manifest | None, list[str]]:
    """Read a manifest, None if it was modified; and a line for each output that is missing or modified."""
    try:
        manifest = read_manifest(path)
    except HandgradError:
        return None, [f"{path} was changed"]
    problems = []
    for file, sha256 in _located(path, manifest.outputs):
        if not file.is_file():
            problems.append(f"{file} is missing")
        elif hashes(file) != sha256:
            problems.append(f"{file} is not what the rule {manifest.stage} wrote")
    return manifest, problems


def _located(manifest: Path, files: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield the path and the hash of each file that a manifest lists."""
    folder = os.fspath(manifest.parent)
    for name, sha256 in files.items():
        yield Path(os.path.normpath(f"{folder}/{name}")), sha256


def manifests(results: Path) -> Iterator[Path]:
    """Yield all manifests in a results folder, including those of other experiments and their data."""
    for pattern in (f"{FOLDER}/*.json", f"*/{FOLDER}/*.json", f"data/*/{FOLDER}/*.json"):
        yield from sorted(results.glob(pattern))
    for folder, _, files in os.walk(results / "runs"):
        if OF_TRAINING in files:
            yield Path(folder, OF_TRAINING)


def _recorded(file: Path) -> tuple[str, str] | None:
    """The stage that made a file, and its recorded SHA-256; None if no manifest lists it, as for sources."""
    beside = file.with_name(OF_TRAINING)
    if beside.exists():
        manifest = _read_last(beside)
        return manifest.stage, manifest.outputs.get(file.name, "")
    for parent in file.parents:
        if (parent / FOLDER).is_dir():
            return _outputs(parent / FOLDER).get(os.path.relpath(file, parent / FOLDER))
    return None


_read_last = lru_cache(maxsize=1)(read_manifest)  # the files of one training are read one after another


@cache
def _outputs(folder: Path) -> dict[str, tuple[str, str]]:
    """The stage and SHA-256 of each output in the manifests of a folder, keyed by relative path."""
    made: dict[str, tuple[str, str]] = {}
    for path in folder.glob("*.json"):
        try:
            manifest = read_manifest(path)
        except FileNotFoundError:
            continue  # deleted by a job that is just starting
        made |= {name: (manifest.stage, sha256) for name, sha256 in manifest.outputs.items()}
    return made


def _relative(file: Path, manifest: Path) -> str:
    return Path(os.path.relpath(file, manifest.parent)).as_posix()


def text(manifest: Manifest) -> str:
    """The serialised manifest: indented JSON whose last value is the SHA-256 of the text before it."""
    content = json.dumps(vars(manifest), indent=2).removesuffix("\n}") + ",\n"
    return _sealed(content.encode()).decode()


def _sealed(content: bytes) -> bytes:
    return content + SEAL + hashlib.sha256(content).hexdigest().encode() + b'"\n}\n'
