"""Get the CIFAR-10 archive: the user's own, a cached one, a mirror's, or a synthetic stand-in."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from filelock import FileLock, Timeout

from handgrad.data.archives import read_archive, write_archive
from handgrad.data.cifar10 import TRAINING_PER_TEST_IMAGE
from handgrad.data.downloads import Unreachable, download, file_hash
from handgrad.data.synthetic import draw_batches
from handgrad.errors import DataError
from handgrad.records.source import Source
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import replacing, write_json, write_text

OFFICIAL_MD5 = "c58f30108f718f92721af3b95e74349a"
# Limit on a download; the official archive has 170,498,071 bytes.
MOST_BYTES = 200_000_000
STAND_IN = "drawn by handgrad.data.synthetic"


@dataclass(frozen=True)
class Options:
    source: Literal["auto", "download", "archive", "synthetic"]
    classes: list[str]
    mirrors: list[str]
    md5: Annotated[str, "of the archive that the mirrors serve"]
    seed: Annotated[int, "of the drawn stand-in"]
    output_archive: Path
    output_source: Path
    archive: Annotated[Path | None, "the user's own archive"] = None
    images_per_class: Annotated[int | None, "training images to draw; by default all 5,000"] = None


def main(options: Options) -> None:
    with replacing(options.output_archive) as temporary:
        source, location = get_archive(options, temporary)
        # Validate here, so that errors name the archive as the user knows it; the official one takes 3 s.
        read_archive(temporary, location)
        md5, sha256 = file_hash(temporary, "md5"), file_hash(temporary, "sha256")
        size = temporary.stat().st_size
    logging.info("source %s: %s, %d bytes, SHA-256 %s", source, location, size, sha256)
    record: Source = {
        "requested": options.source,
        "source": source,
        "location": location,
        "stand_in": source == "synthetic",
        "official": md5 == OFFICIAL_MD5,
        "bytes": size,
        "md5": md5,
        "sha256": sha256,
    }
    write_json(options.output_source, record)


def get_archive(options: Options, target: Path) -> tuple[Literal["download", "archive", "synthetic"], str]:
    """Write the archive to `target`, and return its source and origin.

    Raises:
        DataError: if the requested source is unavailable, or its checksum is wrong.
    """
    if options.source == "archive" or (options.source == "auto" and options.archive is not None):
        copy_own(options.archive, target)
        return "archive", str(options.archive)
    if options.source in ("auto", "download"):
        try:
            return "download", fetch(options.mirrors, options.md5, target)
        except Unreachable:
            if options.source == "download":
                raise
            logging.warning(
                "WARNING: no mirror of CIFAR-10 can be reached: drawn images stand in for the real ones. "
                "For real images set data.archive, or run `snakemake --forcerun fetch` with a network."
            )
    draw(options.classes, options.images_per_class, options.seed, target)
    return "synthetic", STAND_IN


def copy_own(archive: Path | None, target: Path) -> None:
    """Copy the user's archive."""
    if archive is None or not archive.is_file():
        raise DataError(f"data.archive: there is no file {archive}; name one of the layout of CIFAR-10")
    shutil.copyfile(archive, target)


def fetch(mirrors: list[str], md5: str, target: Path) -> str:
    """Copy the archive from the cache, downloading it first if necessary; return the URL it came from.

    The cache is kept when results are deleted, so that the archive is downloaded only once.
    """
    cache = Path(os.environ.get("HANDGRAD_CACHE") or platformdirs.user_cache_dir("handgrad")) / md5
    archive, origin = cache / "cifar-10-python.tar.gz", cache / "origin.txt"
    try:
        # Look without locking first: a shared cache may be read-only.
        if not _is_whole(archive, md5):
            with _locked(cache):
                if not _is_whole(archive, md5):  # otherwise another run has downloaded it in the meantime
                    origin.unlink(missing_ok=True)
                    write_text(origin, download(mirrors, md5, archive, MOST_BYTES))
        # A run killed between writing the two files leaves only the archive, which the checksum verifies.
        location = origin.read_text(encoding="utf-8") if origin.exists() else ""
    except OSError as error:
        raise DataError(
            f"{cache}: {error}; the download cache needs room for 170 MB and leave to write there, "
            "or set HANDGRAD_CACHE to another folder"
        ) from error
    shutil.copyfile(archive, target)
    return location or str(archive)


def _is_whole(archive: Path, md5: str) -> bool:
    return archive.exists() and file_hash(archive, "md5") == md5


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Lock the cache, so that two downloads cannot write to one file; killing a process releases its lock."""
    cache.mkdir(parents=True, exist_ok=True)
    lock = FileLock(cache / "lock")
    try:
        acquired = lock.acquire(blocking=False)
    except Timeout:
        logging.info("another run is downloading the archive to %s; waiting for it", cache)
        acquired = lock.acquire()
    with acquired:
        yield


def draw(classes: list[str], images_per_class: int | None, seed: int, target: Path) -> None:
    """Draw the synthetic images, which include only aeroplanes and birds."""
    if set(classes) - {"airplane", "bird"}:
        raise DataError(
            f"data.classes is {', '.join(classes)}, but the drawn stand-in has airplane and bird only; "
            "set data.archive to an archive of CIFAR-10"
        )
    logging.info("drawing aeroplanes and birds")
    if images_per_class is None:
        batches = draw_batches(seed)
    else:
        batches = draw_batches(seed, images_per_class, images_per_class // TRAINING_PER_TEST_IMAGE)
    write_archive(target, batches)


if __name__ == "__main__":
    run_stage(main, Options)
