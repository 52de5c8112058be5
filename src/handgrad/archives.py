"""Archives in the layout of cifar-10-python.tar.gz, read as if they came from an enemy.

The official layout is a folder cifar-10-batches-py of pickles: data_batch_1 to data_batch_5 and test_batch,
each with data, uint8 [n, 3072], and labels, n whole numbers from 0 to 9; and batches.meta with label_names
(https://www.cs.toronto.edu/~kriz/cifar.html).
"""

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.errors import DataError

FOLDER = "cifar-10-batches-py"
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
MEMBERS = (*BATCHES, "batches.meta")
PIXELS = 3 * 32 * 32
# The official archive has 9 members of at most 31 MB.
MOST_MEMBERS = 100
LARGEST_MEMBER = 100_000_000
LARGEST_ARCHIVE = 1_000_000_000

# What a pickle may name: how numpy arrays are put together, in numpy 1 and 2 and in Python 2's pickles.
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that admits numpy arrays and plain containers only: nothing in a pickle is called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed in data")
        return super().find_class(module, name)


def write_archive(path: Path, batches: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `batches`, contents by member name, as an archive whose bytes depend on nothing else."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name, content in sorted(batches.items()):
            body = pickle.dumps(dict(content), protocol=2)
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))


def extract_archive(path: Path, target: Path) -> None:
    """Write the checked members of the archive at `path` to `target`/cifar-10-batches-py.

    Only regular files below that folder are taken, and each is loaded by `ArrayUnpickler` first.

    Raises:
        DataError: naming the file and what is wrong with it.
    """
    try:
        with gzip.open(path) as unzipped:
            stream = _Bounded(unzipped, path)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                members = _read_members(archive, path)
            # To the end, where gzip's own checksum stands.
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{path}: not a whole gzipped tar archive ({error}); get it again or name another"
        ) from error
    missing = [name for name in MEMBERS if name not in members]
    if missing:
        raise DataError(f"{path}: lacks {FOLDER}/{missing[0]}; expected the layout of cifar-10-python.tar.gz")
    for name in BATCHES:
        check_batch(f"{path}: {FOLDER}/{name}", _load(f"{path}: {FOLDER}/{name}", members[name]))
    check_meta(
        f"{path}: {FOLDER}/batches.meta", _load(f"{path}: {FOLDER}/batches.meta", members["batches.meta"])
    )
    folder = target / FOLDER
    folder.mkdir(parents=True)
    for name in MEMBERS:
        (folder / name).write_bytes(members[name])


class _Bounded(io.RawIOBase):
    """A stream that ends in an error beyond LARGEST_ARCHIVE bytes: a small file may unpack to any size."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self._count += len(data)
        if self._count > LARGEST_ARCHIVE:
            raise DataError(
                f"{self._path}: unpacks to more than {LARGEST_ARCHIVE:,} bytes; name another archive"
            )
        return data


def _read_members(archive: tarfile.TarFile, path: Path) -> dict[str, bytes]:
    """The bytes of the members that count, by name; every member must be harmless."""
    members = {}
    for number, member in enumerate(archive, start=1):
        if number > MOST_MEMBERS:
            raise DataError(f"{path}: has more than {MOST_MEMBERS} members; expected an archive of CIFAR-10")
        if member.isdir() and member.name.rstrip("/") == FOLDER:
            continue
        folder, _, name = member.name.rpartition("/")
        if folder != FOLDER or name in ("", ".", ".."):
            raise DataError(f"{path}: the member {member.name!r} lies outside {FOLDER}/; it is refused")
        if not member.isreg():
            raise DataError(f"{path}: the member {member.name!r} is no regular file; it is refused")
        if member.size > LARGEST_MEMBER:
            raise DataError(f"{path}: the member {member.name!r} has {member.size:,} bytes; it is refused")
        if name in MEMBERS:
            file = archive.extractfile(member)
            assert file is not None  # a regular file always gives one
            members[name] = file.read()
    return members


def _load(name: str, body: bytes) -> Any:
    """The content of a pickle of arrays and plain containers.

    Raises:
        DataError: if it is damaged or asks for anything else.
    """
    try:
        # Python 2 wrote the official files: their texts are Latin-1.
        return ArrayUnpickler(io.BytesIO(body), encoding="latin1").load()
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise DataError(f"{name}: not a pickle of numpy arrays ({error}); get the archive again") from error


def check_batch(name: str, batch: Any) -> None:
    """Raises DataError if a batch is not of the official layout; `name` says in the message which."""
    if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
        raise DataError(f"{name}: expected a dictionary with the keys data and labels")
    data, labels = batch["data"], batch["labels"]
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.ndim != 2
        or data.shape[1] != PIXELS
    ):
        found = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{name}: data is {found}; expected uint8 (images, {PIXELS})")
    if not isinstance(labels, list) or len(labels) != len(data):
        raise DataError(f"{name}: expected as many labels, in a list, as images ({len(data)})")
    wrong = [label for label in labels if type(label) is not int or not 0 <= label <= 9]
    if wrong:
        raise DataError(f"{name}: has the label {wrong[0]!r}; expected whole numbers from 0 to 9")


def check_meta(name: str, meta: Any) -> None:
    """Raises DataError if batches.meta has no list of ten label names."""
    names = meta.get("label_names") if isinstance(meta, dict) else None
    if not isinstance(names, list) or len(names) != 10 or not all(isinstance(label, str) for label in names):
        raise DataError(f"{name}: expected label_names, a list of ten names")
