"""Download a file with a known checksum, preferring the fastest of several mirrors."""

import hashlib
import logging
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from handgrad.errors import DataError

logger = logging.getLogger(__name__)

# Errors that a mirror can cause. requests does not wrap those that urllib3 raises while streaming and for
# host names like a..b, or those that urllib raises for a redirect to http://[::1.
FAILURES = (requests.RequestException, HTTPError, ValueError)


@dataclass(frozen=True)
class Patience:
    """Limits on waiting for mirrors: timeouts, retries, and the size and duration of a speed probe.

    A download that receives fewer than `least_bytes` in `timeout` seconds is considered stalled.
    """

    timeout: float = 20.0
    least_bytes: int = 20_000
    tries: int = 5
    pause: float = 1.0
    probe_bytes: int = 100_000
    probe_seconds: float = 6.0


class Unreachable(DataError):
    """None of the mirrors could be reached."""


def download(
    mirrors: Sequence[str],
    md5: str,
    target: Path,
    most_bytes: int,
    patience: Patience = Patience(),
) -> str:
    """Download to `target`, trying mirrors in order of speed, and return the URL of the one that succeeded.

    An interrupted download is kept next to the target in a .part file, and can be resumed from any mirror.
    The file is renamed to the target only if its checksum matches.

    Raises:
        Unreachable: if no mirror responds.
        DataError: if the checksum of a download does not match, or all mirrors break off.
    """
    ranked = rank_mirrors(mirrors, patience)
    if not ranked:
        raise Unreachable(f"data.mirrors: none of {len(mirrors)} can be reached; set data.archive to a file")
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for url in ranked:
        resumed = part.exists()
        whole = _fetch(url, md5, part, most_bytes, patience)
        if whole and resumed and file_hash(part, "md5") != md5:
            # The partial file may have come from another mirror, so start again with this mirror alone.
            part.unlink()
            whole = _fetch(url, md5, part, most_bytes, patience)
        if whole:
            found = file_hash(part, "md5")
            if found != md5:
                part.unlink()
                raise DataError(
                    f"{url}: the file has the MD5 {found}; expected {md5} (data.md5); "
                    "remove this mirror from data.mirrors"
                )
            part.replace(target)
            return url
    raise DataError(
        f"data.mirrors: every download broke off, the last from {ranked[-1]}; run snakemake again to continue"
    )


def rank_mirrors(mirrors: Sequence[str], patience: Patience) -> list[str]:
    """The mirrors that respond, in the order in which to try them.

    Mirrors at least half as fast as the fastest, measured on the first bytes of the file, come first, in
    random order, so that a class of students starting simultaneously spreads over them. The others follow,
    fastest first.
    """
    if not mirrors:
        return []
    with ThreadPoolExecutor(len(mirrors)) as pool:
        speeds = list(pool.map(lambda url: _speed(url, patience), mirrors))
    for url, speed in zip(mirrors, speeds, strict=True):
        logger.info("mirror %s: %s", url, "no answer" if speed is None else f"{speed / 1e3:.0f} kB/s")
    answering = [(speed, url) for url, speed in zip(mirrors, speeds, strict=True) if speed is not None]
    answering.sort(reverse=True)
    fast = [url for speed, url in answering if speed >= answering[0][0] / 2]
    slow = [url for _, url in answering[len(fast) :]]
    return [*random.sample(fast, len(fast)), *slow]


def _speed(url: str, patience: Patience) -> float | None:
    """Download speed in bytes per second, measured on the beginning of a file; None if that fails."""
    start = time.monotonic()
    count = 0
    headers = {"Range": f"bytes=0-{patience.probe_bytes - 1}", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=patience.timeout) as response:
            response.raise_for_status()
            # read1 returns whatever has arrived; a very slow mirror would never fill a chunk.
            while chunk := response.raw.read1(1 << 14):
                count += len(chunk)
                if count >= patience.probe_bytes or time.monotonic() - start > patience.probe_seconds:
                    break
    except FAILURES as error:
        logger.debug("%s: %s", url, error)
    return count / (time.monotonic() - start) if count else None


def _fetch(url: str, md5: str, part: Path, most_bytes: int, patience: Patience) -> bool:
    """Complete `part` from `url`; False if that fails for good."""
    for attempt in range(patience.tries):
        if attempt:
            time.sleep(patience.pause * 2 ** (attempt - 1))
        try:
            if _continue(url, md5, part, most_bytes, patience):
                return True
            logger.warning("%s: the connection broke off; trying again", url)
        except FAILURES as error:
            logger.warning("%s: %s; trying again", url, error)
    logger.warning("%s: given up after %d tries", url, patience.tries)
    return False


def _continue(url: str, md5: str, part: Path, most_bytes: int, patience: Patience) -> bool:
    """Append the missing bytes to `part` with one request; return whether it is now complete.

    Raises:
        DataError: if the file is larger than `most_bytes`.
    """
    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=patience.timeout) as response:
        if done and response.status_code == requests.codes.requested_range_not_satisfiable:
            return True  # already complete; the checksum is verified later
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            done = 0  # the server ignored the Range header and sends the whole file
        announced = response.raw.length_remaining  # None if the server does not specify it
        total = None if announced is None else done + announced
        with (
            part.open("ab" if done else "wb") as file,
            tqdm(total=total, initial=done, unit="B", unit_scale=True, desc="CIFAR-10", mininterval=1) as bar,
        ):
            # read1 returns whatever has arrived; a partially filled chunk would be lost with the connection.
            marked, mark = done, time.monotonic()
            while chunk := response.raw.read1(1 << 16):
                if done + len(chunk) > most_bytes:
                    part.unlink()
                    raise DataError(
                        f"{url}: gives more than {most_bytes:,} bytes; remove it from data.mirrors"
                    )
                file.write(chunk)
                done += len(chunk)
                bar.update(len(chunk))
                if time.monotonic() - mark > patience.timeout:
                    if done - marked < patience.least_bytes:
                        raise requests.Timeout(f"{done - marked} bytes in {patience.timeout:g} seconds")
                    marked, mark = done, time.monotonic()
    if total is None:
        # End of file or dropped connection; in the latter case, the next request fetches the rest.
        return file_hash(part, "md5") == md5
    return done >= total


def file_hash(path: Path, algorithm: str) -> str:
    """The hexadecimal checksum of a file, computed with one of hashlib's algorithms."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
