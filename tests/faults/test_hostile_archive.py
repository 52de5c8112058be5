"""A malicious archive through Snakemake: one clear line, nothing executed, no file under a final name."""

import os

from helpers.projects import differences, read_config, result_files, snakemake, write_config
from helpers.small_archives import make_batches

from handgrad.data import archives


class Hostile:
    """Pickled as a call that creates a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_hostile_archive_of_the_users_own_stops_the_run(project, tmp_path):
    canary = tmp_path / "canary"
    batches = make_batches()
    batches["data_batch_4"]["data"] = Hostile(canary)
    archives.write_archive(project / "own.tar.gz", batches)
    config = read_config(project)
    config["data"] |= {"source": "archive", "archive": "own.tar.gz"}
    write_config(project, config)
    earlier = result_files(project)

    result = snakemake(project, "--cores", "2")
    assert result.returncode == 1
    assert (
        "error: own.tar.gz: cifar-10-batches-py/data_batch_4: not a pickle of NumPy arrays "
        "(it asks for posix.mkdir, which is not allowed in data); get the archive again"
    ) in result.stdout, result.stdout
    assert "Traceback" not in result.stdout
    assert not canary.exists()
    # All other files are unchanged; nothing is left of the files that were to be regenerated.
    fetched = ["data/cifar-10-python.tar.gz", "data/source.json", "manifests/fetch.json"]
    assert differences(result_files(project), earlier) == fetched
    assert [path.name for path in (project / "results").rglob("*.partial")] == []
