import functools
import hashlib
import json
import logging
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from helpers.small_archives import write_archive

from handgrad.data.archives import read_archive
from handgrad.errors import DataError
from handgrad.stages import fetch


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the stage with its own download cache; return source.json."""
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))

    def run(**options):
        defaults = {"source": "auto", "classes": ["airplane", "bird"], "mirrors": [], "seed": 256}
        defaults |= {"md5": fetch.OFFICIAL_MD5, "images_per_class": 10}
        outputs = {"output_archive": tmp_path / "out.tar.gz", "output_source": tmp_path / "source.json"}
        fetch.main(fetch.Options(**defaults | options, **outputs))
        return json.loads((tmp_path / "source.json").read_text())

    return run


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("source", ["auto", "archive"])
def test_an_archive_of_the_users_own_comes_first_and_its_checksum_is_recorded(
    run, tmp_path, source, served_archive
):
    write_archive(tmp_path / "own.tar.gz")
    url, md5 = served_archive
    found = run(source=source, archive=tmp_path / "own.tar.gz", mirrors=[url], md5=md5)
    assert (tmp_path / "out.tar.gz").read_bytes() == (tmp_path / "own.tar.gz").read_bytes()
    assert found["source"] == "archive"
    assert found["location"] == str(tmp_path / "own.tar.gz")
    assert found["sha256"] == sha256(tmp_path / "own.tar.gz")
    assert found["stand_in"] is False
    assert found["official"] is False


def test_an_archive_that_is_not_there_is_named(run, tmp_path):
    with pytest.raises(DataError, match=r"data\.archive: there is no file .*none\.tar\.gz"):
        run(source="archive", archive=tmp_path / "none.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_a_bad_archive_of_the_users_own_is_refused_under_its_own_name(run, tmp_path):
    (tmp_path / "own.tar.gz").write_bytes(b"<html>")
    with pytest.raises(DataError, match=f"^{tmp_path / 'own.tar.gz'}: not a complete gzipped tar archive"):
        run(source="archive", archive=tmp_path / "own.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["own.tar.gz"]


def test_a_bad_archive_of_the_right_checksum_is_refused_under_its_url(run, tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/bad.tar.gz").write_bytes(b"<html>")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path / "mirror")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/bad.tar.gz"
        with pytest.raises(DataError, match=f"^{url}: not a complete gzipped tar archive"):
            run(mirrors=[url], md5=hashlib.md5(b"<html>").hexdigest())
        server.shutdown()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "mirror"]


def test_the_archive_is_downloaded_once(run, tmp_path, served_archive):
    url, md5 = served_archive
    assert run(mirrors=[url], md5=md5)["source"] == "download"
    first = (tmp_path / "out.tar.gz").read_bytes()
    (tmp_path / "out.tar.gz").unlink()
    # The second time, no mirror is contacted: this one does not exist.
    found = run(mirrors=["http://no-such-host.invalid/"], md5=md5)
    assert (found["source"], found["location"], found["md5"]) == ("download", url, md5)
    assert (tmp_path / "out.tar.gz").read_bytes() == first


def test_a_damaged_file_in_the_cache_is_fetched_again(run, tmp_path, served_archive):
    url, md5 = served_archive
    run(mirrors=[url], md5=md5)
    cached = tmp_path / "cache" / md5 / "cifar-10-python.tar.gz"
    cached.write_bytes(cached.read_bytes()[:-1])
    assert run(mirrors=[url], md5=md5)["md5"] == md5


@pytest.mark.parametrize("origin", [None, ""], ids=["absent", "empty"])
def test_a_cache_without_its_origin_is_used_without_a_network(run, tmp_path, served_archive, origin):
    url, md5 = served_archive
    run(mirrors=[url], md5=md5)
    # As left behind by a run that was killed between the two files.
    (tmp_path / "cache" / md5 / "origin.txt").unlink()
    if origin is not None:
        (tmp_path / "cache" / md5 / "origin.txt").write_text(origin)
    found = run(mirrors=["http://no-such-host.invalid/"], md5=md5)
    assert (found["source"], found["md5"]) == ("download", md5)
    assert found["location"] == str(tmp_path / "cache" / md5 / "cifar-10-python.tar.gz")


@pytest.mark.slow
def test_two_runs_that_share_a_cache_download_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))
    body = bytes(1_000_000)
    asked = []

    class Slow(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            asked.append(self.headers.get("Range"))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for start in range(0, len(body), 100_000):
                time.sleep(0.1)
                self.wfile.write(body[start : start + 100_000])

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server, ThreadPoolExecutor(2) as pool:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        md5 = hashlib.md5(body).hexdigest()
        targets = [tmp_path / "one", tmp_path / "other"]
        assert list(pool.map(lambda target: fetch.fetch([url], md5, target), targets)) == [url, url]
        server.shutdown()
    assert asked == ["bytes=0-99999", None]
    assert [target.read_bytes() == body for target in targets] == [True, True]
    assert not (tmp_path / "cache" / md5 / "cifar-10-python.tar.gz.part").exists()


def test_a_full_disk_under_the_cache_is_named(run, tmp_path, served_archive):
    url, md5 = served_archive
    cache = tmp_path / "cache"
    cache.mkdir()
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", cache], capture_output=True)
    if mounting.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        with pytest.raises(DataError) as error:
            run(mirrors=[url], md5=md5)
    finally:
        subprocess.run(["umount", cache], check=True)
    assert str(error.value) == (
        f"{cache / md5}: [Errno 28] No space left on device; the download cache needs room for 170 MB and "
        "leave to write there, or set HANDGRAD_CACHE to another folder"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_cache_that_cannot_be_a_folder_is_named(run, tmp_path, served_archive):
    url, md5 = served_archive
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match=r"Not a directory: .*set HANDGRAD_CACHE to another folder"):
        run(mirrors=[url], md5=md5)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_auto_draws_a_stand_in_only_where_nothing_can_be_reached_and_says_so(run, caplog):
    with caplog.at_level(logging.WARNING):
        found = run(mirrors=["http://no-such-host.invalid/"])
    assert found["source"] == "synthetic"
    assert found["requested"] == "auto"
    assert found["stand_in"] is True
    assert "WARNING: no mirror of CIFAR-10 can be reached: drawn images stand in" in caplog.text


def test_download_never_draws(run, tmp_path):
    with pytest.raises(DataError, match="none of 1 can be reached"):
        run(source="download", mirrors=["http://no-such-host.invalid/"])
    assert not (tmp_path / "out.tar.gz").exists()


def test_a_wrong_checksum_is_an_error_and_never_a_stand_in(run, tmp_path, served_archive):
    with pytest.raises(DataError, match=f"expected {'0' * 32}"):
        run(mirrors=[served_archive[0]], md5="0" * 32)
    assert not (tmp_path / "out.tar.gz").exists()


def test_the_stand_in_has_aeroplanes_and_birds_only(run):
    with pytest.raises(DataError, match="the drawn stand-in has airplane and bird only"):
        run(source="synthetic", classes=["airplane", "cat"])


def test_the_stand_in_is_the_same_each_time(run, tmp_path):
    one = run(source="synthetic")["sha256"]
    assert run(source="synthetic")["sha256"] == one
    assert run(source="synthetic", seed=1)["sha256"] != one


def test_the_stand_in_of_a_trial_has_as_many_images_as_asked_for(run, tmp_path):
    run(source="synthetic", images_per_class=20)
    training, test = read_archive(tmp_path / "out.tar.gz", "drawn")
    assert np.bincount(training.labels).tolist() == [20, 0, 20]
    assert np.bincount(test.labels).tolist() == [4, 0, 4]
