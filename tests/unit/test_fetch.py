import hashlib
import json
import logging

import pytest
from archives import write_archive

from handgrad.errors import DataError
from handgrad.stages import fetch


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the stage with a download cache of its own; returns source.json."""
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))

    def run(**options):
        options = {"source": "auto", "classes": ["airplane", "bird"], "seed": 256} | options
        arguments = ["fetch"]
        for name, value in options.items():
            values = value if isinstance(value, list) else [value]
            arguments += [f"--{name}", *map(str, values)]
        arguments += ["--output-archive", str(tmp_path / "out.tar.gz")]
        arguments += ["--output-source", str(tmp_path / "source.json")]
        monkeypatch.setattr("sys.argv", arguments)
        fetch.main()
        return json.loads((tmp_path / "source.json").read_text())

    return run


@pytest.fixture
def few_drawings(monkeypatch):
    """The stand-in with ten images a class, for speed."""
    draw = fetch.draw_batches
    monkeypatch.setattr(fetch, "draw_batches", lambda seed: draw(seed, 10, 5))


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


def test_the_archive_is_downloaded_once(run, tmp_path, served_archive):
    url, md5 = served_archive
    assert run(mirrors=[url], md5=md5)["source"] == "download"
    first = (tmp_path / "out.tar.gz").read_bytes()
    (tmp_path / "out.tar.gz").unlink()
    # The second time no mirror is asked: this one is not there.
    found = run(mirrors=["http://no-such-host.invalid/"], md5=md5)
    assert (found["source"], found["location"], found["md5"]) == ("download", url, md5)
    assert (tmp_path / "out.tar.gz").read_bytes() == first


def test_a_damaged_file_in_the_cache_is_fetched_again(run, tmp_path, served_archive):
    url, md5 = served_archive
    run(mirrors=[url], md5=md5)
    cached = tmp_path / "cache" / md5 / "cifar-10-python.tar.gz"
    cached.write_bytes(cached.read_bytes()[:-1])
    assert run(mirrors=[url], md5=md5)["md5"] == md5


@pytest.mark.usefixtures("few_drawings")
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


@pytest.mark.usefixtures("few_drawings")
def test_the_stand_in_has_aeroplanes_and_birds_only(run):
    with pytest.raises(DataError, match="the drawn stand-in has airplane and bird only"):
        run(source="synthetic", classes=["airplane", "cat"])


@pytest.mark.usefixtures("few_drawings")
def test_the_stand_in_is_the_same_each_time(run, tmp_path):
    one = run(source="synthetic")["sha256"]
    assert run(source="synthetic")["sha256"] == one
    assert run(source="synthetic", seed=1)["sha256"] != one
