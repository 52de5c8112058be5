"""Archives in the layout of cifar-10-python.tar.gz, read as if they came from an enemy.

The official layout is a folder cifar-10-batches-py of pickles: data_batch_1 to data_batch_5 and test_batch,
each with data, uint8 [n, 3072], and labels, n whole numbers from 0 to 9; and batches.meta with label_names
(https://www.cs.toronto.edu/~kriz/cifar.html).
"""

import gzip
import io
import pickle
import tarfile
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
    """Write the members of the archive at `path`, checked by `read_archive`, to `target`/cifar-10-batches-py.

    Raises:
        DataError: naming the file and what is wrong with it.
    """
    members = read_archive(path, str(path))
    folder = target / FOLDER
    folder.mkdir(parents=True)
    for name in MEMBERS:
        (folder / name).write_bytes(members[name])


def read_archive(path: Path, origin: str) -> dict[str, bytes]:
    """The checked members of the archive at `path`, by name; messages call it `origin`.

    Only regular files below cifar-10-batches-py are taken, and each is loaded by `ArrayUnpickler` first.

    Raises:
        DataError: naming the archive and what is wrong with it.
    """
    try:
        with gzip.open(path) as unzipped:
            stream = _Bounded(unzipped, origin)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                members = _read_members(archive, origin)
            # To the end, where gzip's own checksum stands.
            while stream.read(1 << 20):
                pass
    except DataError:
        raise
    except Exception as error:  # a damaged tar archive may raise nearly anything
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise  # the disk's
        raise DataError(
            f"{origin}: not a whole gzipped tar archive ({_brief(error)}); get it again or name another"
        ) from error
    missing = [name for name in MEMBERS if name not in members]
    if missing:
        raise DataError(
            f"{origin}: lacks {FOLDER}/{missing[0]}; expected the layout of cifar-10-python.tar.gz"
        )
    for name in BATCHES:
        check_batch(f"{origin}: {FOLDER}/{name}", _load(f"{origin}: {FOLDER}/{name}", members[name]))
    check_meta(
        f"{origin}: {FOLDER}/batches.meta", _load(f"{origin}: {FOLDER}/batches.meta", members["batches.meta"])
    )
    return members


class _Bounded(io.RawIOBase):
    """A stream that ends in an error beyond LARGEST_ARCHIVE bytes: a small file may unpack to any size."""

    def __init__(self, stream: Any, origin: str) -> None:
        self._stream = stream
        self._origin = origin
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self._count += len(data)
        if self._count > LARGEST_ARCHIVE:
            raise DataError(
                f"{self._origin}: unpacks to more than {LARGEST_ARCHIVE:,} bytes; name another archive"
            )
        return data


def _brief(text: object) -> str:
    """The beginning of what comes from an archive, in one line: it may be of any length, with any signs."""
    return repr(str(text)[:200])[1:-1]


def _read_members(archive: tarfile.TarFile, origin: str) -> dict[str, bytes]:
    """The bytes of the members that count, by name; every member must be harmless."""
    members: dict[str, bytes] = {}
    for number, member in enumerate(archive, start=1):
        if number > MOST_MEMBERS:
            raise DataError(
                f"{origin}: has more than {MOST_MEMBERS} members; expected an archive of CIFAR-10"
            )
        if member.isdir() and member.name.rstrip("/") == FOLDER:
            continue
        folder, _, name = member.name.rpartition("/")
        shown = f"{origin}: the member '{_brief(member.name)}'"
        if folder != FOLDER or name in ("", ".", ".."):
            raise DataError(f"{shown} lies outside {FOLDER}/; it is refused")
        # A sparse file of a few bytes may unpack to any size.
        if not member.isreg() or member.issparse():
            raise DataError(f"{shown} is no regular file; it is refused")
        if member.size > LARGEST_MEMBER:
            raise DataError(f"{shown} has {member.size:,} bytes; it is refused")
        if name in members:
            raise DataError(f"{shown} is there twice; it is refused")
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
        raise DataError(
            f"{name}: not a pickle of numpy arrays ({_brief(error)}); get the archive again"
        ) from error


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
        found = f"{data.dtype.name} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{name}: data is {found}; expected uint8 (images, {PIXELS})")
    if len(data) == 0:
        raise DataError(f"{name}: has no images; get the archive again")
    if not isinstance(labels, list) or len(labels) != len(data):
        raise DataError(f"{name}: expected as many labels, in a list, as images ({len(data)})")
    for label in labels:
        if type(label) is not int:
            # Only the type: the value's text may be of any length.
            raise DataError(
                f"{name}: has a label of type {type(label).__name__}; expected whole numbers from 0 to 9"
            )
        if not 0 <= label <= 9:
            shown = f"the label {label}" if abs(label) < 10**9 else "a label beyond a billion"
            raise DataError(f"{name}: has {shown}; expected whole numbers from 0 to 9")


def check_meta(name: str, meta: Any) -> None:
    """Raises DataError if batches.meta has no list of ten label names."""
    names = meta.get("label_names") if isinstance(meta, dict) else None
    if not isinstance(names, list) or len(names) != 10 or not all(isinstance(label, str) for label in names):
        raise DataError(f"{name}: expected label_names, a list of ten names")
