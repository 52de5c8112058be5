from collections.abc import Iterator

import pytest
from helpers.cluster import Cluster, missing_programs, started


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory) -> Iterator[Cluster]:
    missing = missing_programs()
    if missing:
        pytest.skip(f"Slurm is not installed: {', '.join(missing)} not found")
    with started(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster, monkeypatch) -> Cluster:
    """A single-node Slurm cluster, to which the commands of this process and its children now refer."""
    for name, value in running_cluster.variables.items():
        monkeypatch.setenv(name, value)
    return running_cluster
