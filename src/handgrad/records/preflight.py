"""preflight.json: what was checked before the first training, and what the arithmetic rests on."""

from typing import TypedDict


class ThreadPool(TypedDict):
    """A library that computes in threads, as threadpoolctl lists it."""

    library: str
    api: str
    version: str | None
    architecture: str | None
    threads: int


class Arithmetic(TypedDict):
    """What the last bit of a result depends on besides code and packages."""

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
