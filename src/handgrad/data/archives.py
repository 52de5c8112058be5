"""Read archives in the layout of cifar-10-python.tar.gz, treating them as untrusted input.

The official layout is a folder cifar-10-batches-py of pickles: data_batch_1 to data_batch_5 and test_batch,
each with data, uint8 [n, 3072], and labels, n integers from 0 to 9; and batches.meta with label_names
(https://www.cs.toronto.edu/~kriz/cifar.html).
"""

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handgrad.data.pickles import byte_matrix, read_pickle
from handgrad.errors import DataError

FOLDER = "cifar-10-batches-py"
TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
META = "batches.meta"
MEMBERS = (*TRAINING, TEST, META)
PIXELS = 3 * 32 * 32
# The official archive has 9 members of at most 31 MB, 186 MB in total. Pickle protocol 2, written by Python
# 3, needs up to twice as much for the same pixels.
MOST_MEMBERS = 100
LARGEST_MEMBER = 64_000_000
LARGEST_ARCHIVE = 500_000_000
LARGEST_EXTENDED_HEADER = 65_536
MOST_GZIP_MEMBERS = 10_000
CHUNK = 65_536
# Extended header records that change the member itself, rather than adding a date or an attribute.
CHANGING_RECORDS = (b" path=", b" linkpath=", b" size=", b" GNU.sparse.")


class Labelled(NamedTuple):
    """All training or all test images of an archive, uint8 [N, 3, 32, 32], with labels [N] from 0 to 9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def write_archive(path: Path, batches: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `batches`, which maps member names to contents, as a byte-for-byte reproducible archive."""
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


def read_archive(path: Path, origin: str) -> tuple[Labelled, Labelled]:
    """Read the training and test images of the archive at `path`, called `origin` in error messages.

    Whatever the archive contains, nothing is executed or written, and reading it takes less than 30 seconds
    and 1 GB of memory.

    Raises:
        DataError: if the archive is invalid; the message names the archive and the problem.
        OSError: if the file cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{origin}: not a regular file; expected a cifar-10-python.tar.gz")
    if path.stat().st_size > LARGEST_ARCHIVE:
        raise DataError(f"{origin}: has more than {LARGEST_ARCHIVE:,} bytes; use another archive")
    with path.open("rb") as file:
        return _read_batches(_members(_Unpacked(file, origin), origin), origin)


def read_folder(root: Path) -> tuple[Labelled, Labelled]:
    """Read the training and test images of an archive that was extracted to `root`.

    Raises:
        DataError: if a file is invalid; the message names the file and the problem.
        OSError: if a file cannot be read.
    """
    folder = root / FOLDER
    paths = [folder / name for name in MEMBERS if (folder / name).is_file()]
    for path in paths:
        if path.stat().st_size > LARGEST_MEMBER:
            raise DataError(f"{path}: has more than {LARGEST_MEMBER:,} bytes; it is refused")
    return _read_batches(((path.name, path.read_bytes()) for path in paths), str(root))


def _read_batches(members: Iterable[tuple[str, bytes]], origin: str) -> tuple[Labelled, Labelled]:
    """The training and test images from the archive members, given as pairs of name and pickle."""
    batches: dict[str, Labelled] = {}
    missing = set(MEMBERS)
    for name, body in members:
        if name not in missing:
            raise DataError(f"{origin}: the member '{FOLDER}/{name}' occurs twice; it is refused")
        missing.remove(name)
        shown = f"{origin}: {FOLDER}/{name}"
        content = _unpickled(shown, body)
        if name == META:
            _check_meta(shown, content)
        else:
            batches[name] = _batch(shown, content)
    if missing:
        raise DataError(
            f"{origin}: lacks {FOLDER}/{min(missing)}; expected the layout of cifar-10-python.tar.gz"
        )
    training = [batches[name] for name in TRAINING]
    return (
        Labelled(
            np.concatenate([batch.images for batch in training]),
            np.concatenate([batch.labels for batch in training]),
        ),
        batches[TEST],
    )


class _Unpacked:
    """The decompressed content of a gzip file, read in chunks of bounded size."""

    def __init__(self, file: BinaryIO, origin: str) -> None:
        self._chunks = _decompressed(file)
        self._origin = origin
        self._buffer = b""
        self._count = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes, or the remaining ones if there are fewer.

        Raises:
            DataError: if the gzip file is invalid or truncated, or has over LARGEST_ARCHIVE bytes of content.
        """
        pieces, length = [self._buffer], len(self._buffer)
        while length < size:
            try:
                piece = next(self._chunks, b"")
            except (zlib.error, EOFError) as error:
                raise _damaged(self._origin, error) from error
            if not piece:
                break
            pieces.append(piece)
            length += len(piece)
            self._count += len(piece)
            if self._count > LARGEST_ARCHIVE:
                raise DataError(
                    f"{self._origin}: unpacks to more than {LARGEST_ARCHIVE:,} bytes; use another archive"
                )
        content = b"".join(pieces)
        self._buffer = content[size:]
        return content[:size]


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a gzip file (RFC 1952) in chunks of at most `CHUNK` bytes.

    The gzip module is not used because it parses headers byte by byte in Python: a long file name in a
    header, or a long sequence of empty members, would keep it busy for minutes.
    """
    data = file.read(CHUNK)
    for _ in range(MOST_GZIP_MEMBERS):
        unpacking = zlib.decompressobj(wbits=31)  # with header and checksum
        while not unpacking.eof:
            piece = unpacking.decompress(data, CHUNK)
            if piece:
                yield piece
            elif not data:
                raise EOFError("it ends too early")
            data = unpacking.unconsumed_tail or unpacking.unused_data or file.read(CHUNK)
        # Zero padding, as written to fill a tape block, is allowed.
        while data and not (data := data.lstrip(b"\0")):
            data = file.read(CHUNK)
        if not data:
            return
    raise EOFError(f"it is made of more than {MOST_GZIP_MEMBERS:,} gzip members")


def _members(stream: _Unpacked, origin: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each tar member listed in `MEMBERS`; all others must be harmless.

    The tarfile module reads extended headers and sparse file maps of any size into memory before it returns a
    member, so only its parser for a single header is used.
    """
    number = 0
    while (block := stream.read(tarfile.BLOCKSIZE)).strip(b"\0"):  # a block of zeros ends the archive
        number += 1
        if number > MOST_MEMBERS:
            raise DataError(f"{origin}: has more than {MOST_MEMBERS} members; expected those of CIFAR-10")
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise _damaged(origin, error) from error
        shown = f"{origin}: the member '{_brief(member.name)}'"
        if member.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
            if not 0 <= member.size <= LARGEST_EXTENDED_HEADER:
                raise DataError(f"{shown} has an extended header of {member.size:,} bytes; it is refused")
            records = _read_body(stream, member, origin)
            if any(record in records for record in CHANGING_RECORDS):
                raise DataError(
                    f"{shown} has an extended header that changes its name or size; it is refused"
                )
            continue
        # `tar czf ARCHIVE ./FOLDER` and `tar czf ARCHIVE .` prefix member names with ./.
        path = member.name.removeprefix("./")
        if member.isdir() and path in ("", ".", FOLDER):
            continue
        folder, _, name = path.rpartition("/")
        if folder != FOLDER or name in ("", ".", ".."):
            raise DataError(f"{shown} lies outside {FOLDER}/; it is refused")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise DataError(f"{shown} is not a regular file; it is refused")
        if not 0 <= member.size <= LARGEST_MEMBER:
            raise DataError(f"{shown} has {member.size:,} bytes; it is refused")
        body = _read_body(stream, member, origin)
        if name in MEMBERS:
            yield name, body
    if number == 0:
        raise _damaged(origin, "it has no members")
    # Read to the end, so that the gzip checksum is verified.
    while stream.read(CHUNK):
        pass


def _read_body(stream: _Unpacked, member: tarfile.TarInfo, origin: str) -> bytes:
    """Read the content of a member, leaving the stream at the next header."""
    body = stream.read(member.size)
    padding = stream.read(-member.size % tarfile.BLOCKSIZE)
    if len(body) < member.size or (member.size + len(padding)) % tarfile.BLOCKSIZE:
        raise _damaged(origin, "it ends within a member")
    return body


def _damaged(origin: str, reason: object) -> DataError:
    return DataError(
        f"{origin}: not a complete gzipped tar archive ({_brief(reason)}); get it again or use another"
    )


def _brief(text: object) -> str:
    """Shorten text from an archive, which may have any length, to a single line for a message."""
    return repr(str(text)[:200])[1:-1]


def _unpickled(name: str, body: bytes) -> Any:
    try:
        return read_pickle(body)
    except (ValueError, LookupError) as error:
        raise DataError(
            f"{name}: not a pickle of NumPy arrays ({_brief(error)}); get the archive again"
        ) from error


def _batch(name: str, content: Any) -> Labelled:
    """Extract the batch from a member's content.

    Raises:
        DataError: if it does not have the official layout; `name` identifies the member in the message.
    """
    if not isinstance(content, dict) or not {"data", "labels"} <= content.keys():
        raise DataError(f"{name}: expected a dictionary with the keys data and labels")
    try:
        images = byte_matrix(content["data"], PIXELS)
    except ValueError as error:
        raise DataError(f"{name}: data is {_brief(error)}; expected uint8 (images, {PIXELS})") from error
    if len(images) == 0:
        raise DataError(f"{name}: has no images; get the archive again")
    labels = content["labels"]
    if not isinstance(labels, list) or len(labels) != len(images):
        raise DataError(f"{name}: expected a list of as many labels as images ({len(images)})")
    for label in labels:
        if type(label) is not int:
            # Show only the type: the value may be arbitrarily long.
            raise DataError(
                f"{name}: has a label of type {type(label).__name__}; expected integers from 0 to 9"
            )
        if not 0 <= label <= 9:
            shown = f"the label {label}" if abs(label) < 10**9 else "a label beyond a billion"
            raise DataError(f"{name}: has {shown}; expected integers from 0 to 9")
    return Labelled(images.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64))


def _check_meta(name: str, meta: Any) -> None:
    """Raise DataError unless batches.meta contains a list of ten label names."""
    names = meta.get("label_names") if isinstance(meta, dict) else None
    if not isinstance(names, list) or len(names) != 10 or not all(isinstance(label, str) for label in names):
        raise DataError(f"{name}: expected label_names, a list of ten names")
