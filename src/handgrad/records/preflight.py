"""preflight.json: the checks made before the first training, and the libraries used for arithmetic."""

from typing import TypedDict


class ThreadPool(TypedDict):
    """A multithreaded library, as reported by threadpoolctl."""

    library: str
    api: str
    version: str | None
    architecture: str | None
    threads: int


class Arithmetic(TypedDict):
    """What the last bits of a result depend on, besides code and packages."""

    instruction_set: str
    blas: str
    threads: int
    thread_pools: list[ThreadPool]
    torch_build: list[str]


class Preflight(TypedDict):
    device: str
    updates: int
    largest_difference: float
    tolerance: float
    training_mb: int
    disk_mb: int
    arithmetic: Arithmetic
