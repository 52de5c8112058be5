import functools
import hashlib
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers.projects import SMALL, copy_project, run
from helpers.small_archives import write_archive


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests that run Snakemake (all but the unit tests) and long tests as slow."""
    for item in items:
        in_units = Path(__file__).parent / "unit" in item.path.parents
        if not in_units or item.get_closest_marker("long"):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def served_archive(tmp_path_factory):
    """Serve a small archive in the official layout on loopback; yield its URL and MD5."""
    folder = tmp_path_factory.mktemp("mirror")
    write_archive(folder / "cifar-10-python.tar.gz", per_class_train=60, per_class_test=20)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        md5 = hashlib.md5((folder / "cifar-10-python.tar.gz").read_bytes()).hexdigest()
        yield f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz", md5
        server.shutdown()


@pytest.fixture(scope="session")
def small_config(served_archive):
    url, md5 = served_archive
    return SMALL | {"data": SMALL["data"] | {"source": "download", "mirrors": [url], "md5": md5}}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, small_config):
    """A project in which the main job has finished, and Snakemake's output. Tests must not modify it."""
    folder = copy_project(tmp_path_factory.mktemp("finished") / "project", small_config)
    return folder, run(folder)


@pytest.fixture
def project(finished_run, tmp_path):
    """A copy of the finished project that a test may modify."""
    finished, _ = finished_run
    shutil.copytree(finished, tmp_path / "project")
    return tmp_path / "project"
