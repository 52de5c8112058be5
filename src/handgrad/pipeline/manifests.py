"""Manifests: what each job read and wrote, by SHA-256.

A job writes its manifest last, so that its outputs are complete, and are the ones that it wrote, exactly if
they match the manifest. Each job checks what it reads against the manifest of the job that made it, and when
Snakemake starts, `altered` finds every output that is missing or changed, so that its job runs again.

A training's manifest is in its folder. Another job's is in results/manifests/ or, where its outputs are those
of a named experiment (see `experiments`), in the folder manifests/ beside them. The paths in a manifest are
relative to its folder, so that results may be moved.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from handgrad.errors import HandgradError

FOLDER = "manifests"
OF_TRAINING = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The stage that ran, and the SHA-256 of each file that it read and wrote, by relative path."""

    stage: str
    inputs: dict[str, str]
    outputs: dict[str, str]


class Hashes:
    """SHA-256 of files. A file is read again only if its size, times, or inode differ from the last time.

    The time of the last status change (ctime) cannot be set back, so that no edit goes unnoticed.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._known: dict[str, list[Any]] = {}
        if store is not None and store.exists():
            with suppress(ValueError):  # a damaged store: everything is read again
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
        """Keep what was asked for; the rest is forgotten."""
        if self._store is not None:
            self._store.parent.mkdir(exist_ok=True)
            temporary = self._store.with_name(f"{self._store.name}.{os.getpid()}")
            temporary.write_text(json.dumps(self.used), encoding="utf-8")
            temporary.replace(self._store)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_text(stage: str, path: Path, inputs: dict[Path, str], outputs: Iterable[Path]) -> str:
    """The content of the manifest at `path`, of inputs with known hashes and of outputs that exist now."""
    manifest = Manifest(
        stage,
        {_relative(file, path): sha256 for file, sha256 in sorted(inputs.items())},
        {_relative(file, path): file_sha256(file) for file in sorted(outputs)},
    )
    return text(manifest)


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`.

    Raises:
        HandgradError: if it is not, to the byte, a text of `manifest_text`.
        OSError: if it cannot be read.
    """
    body = path.read_bytes()
    try:
        content = json.loads(body)
        manifest = Manifest(content["stage"], content["inputs"], content["outputs"])
        intact = text(manifest).encode() == body
    except (ValueError, LookupError, TypeError):
        intact = False
    if not intact:
        raise HandgradError(f"{path}: this manifest was changed; run snakemake again to remake it")
    return manifest


def checked_inputs(paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each file, which must be the one that the job that made it recorded.

    Raises:
        HandgradError: naming the file, what made it, and what to do.
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
    """The manifests of a results folder that no longer hold, each with the reason.

    Its outputs are missing or changed, it was changed itself, or a training that it was made from is missing
    or changed: Snakemake does not miss an intermediate file when what was made from it is there.
    """
    reasons = {}
    intact = {}
    for path in manifests(results):
        try:
            manifest = read_manifest(path)
        except HandgradError:
            reasons[path] = f"{path} was changed"
            continue
        for name, sha256 in manifest.outputs.items():
            file = Path(os.path.normpath(path.parent / name))
            if not file.is_file():
                reasons[path] = f"{file} is missing"
            elif hashes(file) != sha256:
                reasons[path] = f"{file} is not what the rule {manifest.stage} wrote"
        if path not in reasons:
            intact[path] = manifest
    runs = f"{results / 'runs'}{os.sep}"
    trainings = {os.fspath(path.parent) for path in intact if path.name == OF_TRAINING}
    for path, manifest in intact.items():
        folders = {name.rpartition("/")[0] for name in manifest.inputs}
        read = {os.path.normpath(path.parent / folder) for folder in folders}
        for folder in sorted({folder for folder in read if folder.startswith(runs)} - trainings)[:1]:
            reasons[path] = f"{path} was made from {folder}, which is missing or changed"
    return reasons


def stale(results: Path) -> list[str]:
    """A line for each file that a job read in another version than the one that is there."""
    made: dict[str, str] = {}
    found = {path: read_manifest(path) for path in manifests(results)}
    for path, manifest in found.items():
        made |= {os.path.normpath(path.parent / name): sha256 for name, sha256 in manifest.outputs.items()}
    return [
        f"{file}: the rule {manifest.stage} read another version of it"
        for path, manifest in found.items()
        for name, sha256 in manifest.inputs.items()
        if made.get(file := os.path.normpath(path.parent / name), sha256) != sha256
    ]


def manifests(results: Path) -> Iterator[Path]:
    """Every manifest of a results folder, those of other experiments and their data included."""
    for pattern in (f"{FOLDER}/*.json", f"*/{FOLDER}/*.json", f"data/*/{FOLDER}/*.json"):
        yield from sorted(results.glob(pattern))
    for folder, _, files in os.walk(results / "runs"):
        if OF_TRAINING in files:
            yield Path(folder, OF_TRAINING)


def _recorded(file: Path) -> tuple[str, str] | None:
    """The stage that made a file, and its SHA-256 then; None for a file of no manifest, such as a source."""
    beside = file.with_name(OF_TRAINING)
    if beside.exists():
        manifest = read_manifest(beside)
        return manifest.stage, manifest.outputs.get(file.name, "")
    for parent in file.parents:
        if (parent / FOLDER).is_dir():
            return _outputs(parent / FOLDER).get(os.path.relpath(file, parent / FOLDER))
    return None


@cache
def _outputs(folder: Path) -> dict[str, tuple[str, str]]:
    """The stage and SHA-256 of each output of the manifests in a folder, by relative path."""
    made: dict[str, tuple[str, str]] = {}
    for path in folder.glob("*.json"):
        try:
            manifest = read_manifest(path)
        except FileNotFoundError:
            continue  # of a job that starts at this moment
        made |= {name: (manifest.stage, sha256) for name, sha256 in manifest.outputs.items()}
    return made


def _relative(file: Path, manifest: Path) -> str:
    return Path(os.path.relpath(file, manifest.parent)).as_posix()


def text(manifest: Manifest) -> str:
    """A manifest as it is written: indented JSON, with a hash of its own content."""
    content = asdict(manifest)
    sha256 = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return json.dumps(content | {"sha256_of_this": sha256}, indent=2) + "\n"
