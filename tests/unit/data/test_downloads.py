"""Downloads from real servers on loopback, each of which misbehaves in one way."""

import hashlib
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from handgrad.data import downloads
from handgrad.data.downloads import Patience, Unreachable, download, rank_mirrors
from handgrad.errors import DataError

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
MD5 = hashlib.md5(BODY).hexdigest()
PATIENCE = Patience(timeout=0.5, least_bytes=1000, tries=3, pause=0.01, probe_bytes=20_000, probe_seconds=1)
MOST = 2_000_000


class Handler(BaseHTTPRequestHandler):
    """Serves BODY, including byte ranges; subclasses misbehave. `ranges` records each request's range."""

    body = BODY
    ranges: list

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        first, last = 0, len(self.body) - 1
        if asked:
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end or last), last)
            if first > last:
                self.send_error(416)
                return
        self.answer(asked is not None, self.body[first : last + 1])

    def answer(self, partial, part):
        self.begin(partial, len(part))
        self.wfile.write(part)

    def begin(self, partial, length):
        self.send_response(206 if partial else 200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    @property
    def probing(self):
        return self.ranges[-1] == f"bytes=0-{PATIENCE.probe_bytes - 1}"


@contextmanager
def serving(handler):
    handler.ranges = []
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        # It polls for `shutdown` twenty times a second.
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
        server.shutdown()


@pytest.fixture
def good():
    class Good(Handler):
        pass

    with serving(Good) as url:
        yield url


def error_of(url):
    class Error(Handler):
        def do_GET(self):
            self.send_error(url)

    return Error


def closed_port():
    class Unused(Handler):
        pass

    with serving(Unused) as url:
        return url


def test_a_file_is_downloaded_and_checked(good, tmp_path):
    assert download([good], MD5, tmp_path / "archive", MOST, PATIENCE) == good
    assert (tmp_path / "archive").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize("status", [404, 503])
def test_a_mirror_that_answers_with_an_error_is_passed_over(good, tmp_path, status):
    with serving(error_of(status)) as bad:
        assert download([bad, good], MD5, tmp_path / "archive", MOST, PATIENCE) == good
        with pytest.raises(Unreachable, match=r"data\.mirrors: none of 1 can be reached"):
            download([bad], MD5, tmp_path / "other", MOST, PATIENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize(
    "url",
    ["http://no-such-host.invalid/a.tar.gz", closed_port(), "http://a..b/x", f"http://{'a' * 64}.org/"],
    ids=["dns", "refused", "no name", "a name too long"],
)
def test_a_mirror_that_is_not_there_is_passed_over(good, tmp_path, url):
    assert download([url, good], MD5, tmp_path / "archive", MOST, PATIENCE) == good
    with pytest.raises(Unreachable):
        download([url], MD5, tmp_path / "other", MOST, PATIENCE)


def test_without_mirrors_nothing_can_be_reached(tmp_path):
    with pytest.raises(Unreachable):
        download([], MD5, tmp_path / "archive", MOST, PATIENCE)


def test_the_faster_mirror_is_used(good, tmp_path):
    class Slow(Handler):
        def answer(self, partial, part):
            self.begin(partial, len(part))
            for start in range(0, len(part), 2000):
                time.sleep(0.02)
                self.wfile.write(part[start : start + 2000])

    with serving(Slow) as slow:
        assert rank_mirrors([slow, good], PATIENCE) == [good, slow]
        assert download([slow, good], MD5, tmp_path / "archive", MOST, PATIENCE) == good
        assert all(Slow.ranges)  # it was probed, but the whole file was not requested


def test_a_connection_closed_early_is_continued_where_it_broke_off(tmp_path):
    class Closing(Handler):
        def answer(self, partial, part):
            self.begin(partial, len(part))
            self.wfile.write(part if self.probing else part[:400_000])

    with serving(Closing) as url:
        download([url], MD5, tmp_path / "archive", MOST, PATIENCE)
        assert Closing.ranges[1:] == [None, "bytes=400000-", "bytes=800000-"]
    assert (tmp_path / "archive").read_bytes() == BODY


def test_a_stalled_connection_is_given_up_and_continued(tmp_path):
    class Stalling(Handler):
        stalled = False

        def answer(self, partial, part):
            self.begin(partial, len(part))
            if not self.probing and not Stalling.stalled:
                Stalling.stalled = True
                self.wfile.write(part[:300_000])
                self.wfile.flush()
                time.sleep(2)
            else:
                self.wfile.write(part)

    with serving(Stalling) as url:
        download([url], MD5, tmp_path / "archive", MOST, PATIENCE)
        assert Stalling.ranges[2].startswith("bytes=")
        assert int(Stalling.ranges[2][6:-1]) > 0
    assert (tmp_path / "archive").read_bytes() == BODY


def test_a_download_that_breaks_off_for_good_goes_on_from_the_next_mirror(good, tmp_path):
    class Breaking(Handler):
        def answer(self, partial, part):
            if not self.probing and len(self.ranges) > 2:
                self.send_error(503)
                return
            self.begin(partial, len(part))
            self.wfile.write(part if self.probing else part[:500_000])

    with serving(Breaking) as breaking:
        target = tmp_path / "archive"
        with pytest.raises(DataError, match="every download broke off"):
            download([breaking], MD5, target, MOST, PATIENCE)
        assert not target.exists()
        assert (tmp_path / "archive.part").stat().st_size == 500_000
        download([good], MD5, target, MOST, PATIENCE)
    assert target.read_bytes() == BODY
    assert not (tmp_path / "archive.part").exists()


def test_a_server_that_ignores_ranges_is_read_from_the_start(tmp_path):
    class Whole(Handler):
        def answer(self, partial, part):
            self.begin(False, len(BODY))
            self.wfile.write(BODY)

    (tmp_path / "archive.part").write_bytes(BODY[:1000])
    with serving(Whole) as url:
        download([url], MD5, tmp_path / "archive", MOST, PATIENCE)
    assert (tmp_path / "archive").read_bytes() == BODY


def test_a_content_length_that_is_too_large_is_survived(tmp_path):
    class TooLarge(Handler):
        def answer(self, partial, part):
            self.begin(partial, len(part) if self.probing else len(part) + 1000)
            self.wfile.write(part)

    with serving(TooLarge) as url:
        download([url], MD5, tmp_path / "archive", MOST, PATIENCE)
    assert (tmp_path / "archive").read_bytes() == BODY


def test_a_content_length_that_is_too_small_is_an_error_and_leaves_nothing(tmp_path):
    class TooSmall(Handler):
        def answer(self, partial, part):
            self.begin(partial, len(part) if self.probing else 1000)
            self.wfile.write(part)

    with serving(TooSmall) as url, pytest.raises(DataError, match=f"expected {MD5}"):
        download([url], MD5, tmp_path / "archive", MOST, PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum_is_an_error_that_names_the_mirror_and_leaves_nothing(good, tmp_path):
    class Wrong(Handler):
        body = b"x" * len(BODY)

    with serving(Wrong) as wrong, pytest.raises(DataError) as error:
        download([wrong], MD5, tmp_path / "archive", MOST, PATIENCE)
    found = hashlib.md5(Wrong.body).hexdigest()
    assert str(error.value) == (
        f"{wrong}: the file has the MD5 {found}; expected {MD5} (data.md5); "
        "remove this mirror from data.mirrors"
    )
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_expected_are_not_taken(good, tmp_path):
    with pytest.raises(DataError, match="gives more than 500,000 bytes"):
        download([good], MD5, tmp_path / "archive", 500_000, PATIENCE)
    assert list(tmp_path.iterdir()) == []


def redirect_to(url):
    class Redirect(Handler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", url)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Redirect


def test_a_redirect_to_another_host_is_followed(tmp_path):
    class Other(Handler):
        hosts: ClassVar = set()

        def answer(self, partial, part):
            self.hosts.add(self.headers["Host"].partition(":")[0])
            super().answer(partial, part)

    with serving(Other) as other, serving(redirect_to(other.replace("127.0.0.1", "localhost"))) as url:
        assert download([url], MD5, tmp_path / "archive", MOST, PATIENCE) == url
    assert Other.hosts == {"localhost"}
    assert (tmp_path / "archive").read_bytes() == BODY


@pytest.mark.parametrize("location", ["http://a..b/x", "http://[::1", "ftp://localhost/x", "http://"])
def test_a_mirror_that_redirects_to_nowhere_is_passed_over(good, tmp_path, location):
    with serving(redirect_to(location)) as bad:
        assert download([bad, good], MD5, tmp_path / "archive", MOST, PATIENCE) == good
        with pytest.raises(Unreachable):
            download([bad], MD5, tmp_path / "other", MOST, PATIENCE)


class Dripping(Handler):
    """Sends one byte at a time; stops after 30 seconds so that the test ends."""

    def answer(self, partial, part):
        self.begin(partial, len(part))
        self.drip(part)

    def drip(self, part):
        for place in range(600):
            self.wfile.write(part[place : place + 1])
            time.sleep(0.05)


@pytest.mark.slow
def test_a_dripping_mirror_does_not_hold_up_the_probe_of_the_others(good):
    start = time.monotonic()
    with serving(Dripping) as dripping:
        assert rank_mirrors([dripping, good], PATIENCE) == [good, dripping]
    assert time.monotonic() - start < 15


@pytest.mark.slow
def test_a_mirror_that_stalls_in_the_probe_comes_last(good, tmp_path):
    class Stalling(Handler):
        def answer(self, partial, part):
            self.begin(partial, len(part))
            self.wfile.write(part[:1000])
            self.wfile.flush()
            time.sleep(5)

    with serving(Stalling) as stalling:
        assert rank_mirrors([stalling, good], PATIENCE) == [good, stalling]
        assert download([stalling, good], MD5, tmp_path / "archive", MOST, PATIENCE) == good


@pytest.mark.slow
@pytest.mark.parametrize("drips", [False, True], ids=["stalled for good", "dripping"])
def test_a_mirror_that_stalls_or_drips_after_the_probe_is_given_up(good, tmp_path, drips):
    class Stuck(Dripping):
        def answer(self, partial, part):
            self.begin(partial, len(part))
            if self.probing:
                self.wfile.write(part)
            elif drips:
                self.drip(part)
            else:
                time.sleep(5)

    with serving(Stuck) as stuck:
        with pytest.raises(DataError, match="every download broke off"):
            download([stuck], MD5, tmp_path / "archive", MOST, PATIENCE)
        assert len(Stuck.ranges) == 1 + PATIENCE.tries
    assert [path.name for path in tmp_path.iterdir()] == ["archive.part"]
    assert (tmp_path / "archive.part").stat().st_size < 600
    assert download([good], MD5, tmp_path / "archive", MOST, PATIENCE) == good
    assert (tmp_path / "archive").read_bytes() == BODY


def test_a_connection_closed_early_during_the_probe_still_counts_as_an_answer(tmp_path):
    class Closing(Handler):
        def answer(self, partial, part):
            self.begin(partial, len(part))
            self.wfile.write(part[:5000] if self.probing else part)

    with serving(Closing) as url:
        assert download([url], MD5, tmp_path / "archive", MOST, PATIENCE) == url
    assert (tmp_path / "archive").read_bytes() == BODY


@pytest.mark.parametrize(
    "length", [None, "abc", "-5", "9" * 5000], ids=["absent", "text", "below 0", "endless"]
)
def test_without_a_content_length_the_checksum_tells_the_end(tmp_path, length):
    class Silent(Handler):
        def answer(self, partial, part):
            self.begin(partial, length)
            self.wfile.write(part)

    with serving(Silent) as url:
        assert download([url], MD5, tmp_path / "archive", MOST, PATIENCE) == url
        assert Silent.ranges[1:] == [None]
    assert (tmp_path / "archive").read_bytes() == BODY


def test_without_a_content_length_a_connection_closed_early_is_continued(tmp_path):
    class Closing(Handler):
        def answer(self, partial, part):
            self.begin(partial, None)
            self.wfile.write(part if self.probing else part[:400_000])

    with serving(Closing) as url:
        assert download([url], MD5, tmp_path / "archive", MOST, PATIENCE) == url
        assert Closing.ranges[1:] == [None, "bytes=400000-", "bytes=800000-"]
    assert (tmp_path / "archive").read_bytes() == BODY


def test_without_a_content_length_wrong_bytes_are_told_from_missing_ones(tmp_path):
    class Wrong(Handler):
        body = b"x" * len(BODY)

        def answer(self, partial, part):
            self.begin(partial, None)
            self.wfile.write(part)

    with serving(Wrong) as wrong, pytest.raises(DataError, match="remove this mirror"):
        download([wrong], MD5, tmp_path / "archive", MOST, PATIENCE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "rest", [b"<html>404 Not Found</html>", bytes(len(BODY) + 5)], ids=["shorter", "longer"]
)
def test_what_another_mirror_left_is_not_held_against_this_one(good, tmp_path, rest):
    (tmp_path / "archive.part").write_bytes(rest)
    assert download([good], MD5, tmp_path / "archive", MOST, PATIENCE) == good
    assert (tmp_path / "archive").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_wrong_bytes_after_another_mirrors_rest_are_asked_for_once_more_from_the_start(tmp_path):
    class Wrong(Handler):
        body = b"x" * len(BODY)

    (tmp_path / "archive.part").write_bytes(BODY[:1000])
    with serving(Wrong) as wrong, pytest.raises(DataError, match="remove this mirror"):
        download([wrong], MD5, tmp_path / "archive", MOST, PATIENCE)
    assert Wrong.ranges[1:] == ["bytes=1000-", None]
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_that_has_no_range_of_the_whole_file_is_given_up(tmp_path):
    class Unsatisfiable(Handler):
        def answer(self, partial, part):
            super().answer(partial, part) if self.probing else self.send_error(416)

    with serving(Unsatisfiable) as url, pytest.raises(DataError, match="every download broke off"):
        download([url], MD5, tmp_path / "archive", MOST, PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_mirrors_of_like_speed_share_the_load_and_slow_ones_come_last(monkeypatch):
    speeds = {"a": 1000.0, "b": 900.0, "c": 600.0, "slow": 90.0, "slower": 60.0, "dead": None}
    monkeypatch.setattr(downloads, "_speed", lambda url, patience: speeds[url])
    orders = {tuple(rank_mirrors(list(speeds), PATIENCE)) for _ in range(200)}
    assert {order[0] for order in orders} == {"a", "b", "c"}
    assert {order[3:] for order in orders} == {("slow", "slower")}


def test_without_any_mirror_that_answers_there_is_no_order(monkeypatch):
    monkeypatch.setattr(downloads, "_speed", lambda url, patience: None)
    assert rank_mirrors(["a", "b"], PATIENCE) == []
