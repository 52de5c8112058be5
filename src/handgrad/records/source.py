"""source.json: where the archive came from."""

from typing import Literal, TypedDict


class Source(TypedDict):
    requested: Literal["auto", "download", "archive", "synthetic"]
    source: Literal["download", "archive", "synthetic"]
    location: str
    stand_in: bool
    official: bool
    bytes: int
    md5: str
    sha256: str
