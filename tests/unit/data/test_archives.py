import gzip
import io
import math
import os
import pickle
import struct
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from helpers.small_archives import make_batches, write_archive

from handgrad.data import archives
from handgrad.data.archives import FOLDER, MEMBERS, read_archive
from handgrad.errors import DataError

BATCHES = [name for name in MEMBERS if name != "batches.meta"]


class Call:
    """Pickled as a call of `function`, as an attacker would do."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def write_members(path, members, tar_format=tarfile.PAX_FORMAT):
    """Write an archive of these tar members: pairs of a TarInfo and its content."""
    with tarfile.open(path, "w:gz", format=tar_format) as archive:
        for member, body in members:
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))


def usual_members(**replaced):
    """The members of a valid archive, with the contents of some replaced."""
    contents = {name: pickle.dumps(content, protocol=2) for name, content in make_batches().items()}
    return [(tarfile.TarInfo(f"{FOLDER}/{name}"), body) for name, body in (contents | replaced).items()]


def refusal(path):
    with pytest.raises(DataError) as error:
        read_archive(path, str(path))
    message = str(error.value)
    # Whatever the archive contains, the user gets one short line.
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 1000
    return message


def check_contents(path):
    """Assert that the archive has the images and labels of `make_batches`."""
    batches = make_batches()
    (images, labels), (test_images, test_labels) = read_archive(path, str(path))
    training = [batches[f"data_batch_{number}"] for number in range(1, 6)]
    assert np.array_equal(images.reshape(-1, 3072), np.concatenate([batch["data"] for batch in training]))
    assert labels.tolist() == [label for batch in training for label in batch["labels"]]
    assert np.array_equal(test_images.reshape(-1, 3072), batches["test_batch"]["data"])
    assert test_labels.tolist() == batches["test_batch"]["labels"]


def test_a_good_archive_is_read_as_it_was_written(tmp_path):
    write_archive(tmp_path / "good.tar.gz")
    check_contents(tmp_path / "good.tar.gz")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickles_of_python_3_are_read(tmp_path, protocol):
    bodies = {name: pickle.dumps(content, protocol) for name, content in make_batches().items()}
    write_members(tmp_path / "own.tar.gz", usual_members(**bodies))
    check_contents(tmp_path / "own.tar.gz")


def python_2_pickle(batch):
    """A batch as Python 2 and NumPy 1 wrote the official ones: protocol 2, all strings as byte strings."""
    raw = batch["data"].tobytes()
    rows = struct.pack("<i", len(batch["data"]))
    labels = b"".join(b"K" + bytes([label]) for label in batch["labels"])
    return (
        b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(" + labels + b"eU\x04dataq\x04"
        b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85q\x07U\x01bq\x08\x87Rq\x09"
        b"(K\x01J" + rows + b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + struct.pack("<i", len(raw)) + raw + b"tbU\x09filenames]u."
    )


def test_pickles_as_python_2_wrote_the_official_ones_are_read(tmp_path):
    bodies = {name: python_2_pickle(make_batches()[name]) for name in BATCHES}
    # The standard library reads them identically.
    content = pickle.loads(bodies["test_batch"], encoding="latin1")
    assert np.array_equal(content["data"], make_batches()["test_batch"]["data"])
    write_members(tmp_path / "old.tar.gz", usual_members(**bodies))
    check_contents(tmp_path / "old.tar.gz")


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_common_tar_format_is_read(tmp_path, tar_format):
    members = usual_members()
    for member, _ in members:
        member.mtime = 1234567890.5  # in PAX a separate record, as for every file added by TarFile.add
    write_members(tmp_path / "own.tar.gz", members, tar_format)
    check_contents(tmp_path / "own.tar.gz")


@pytest.mark.parametrize("arguments", [[FOLDER], [f"./{FOLDER}"], ["."]], ids=str)
def test_members_may_begin_with_the_current_folder(tmp_path, arguments):
    for member, body in usual_members():
        path = tmp_path / "own" / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    subprocess.run(["tar", "czf", tmp_path / "own.tar.gz", *arguments], cwd=tmp_path / "own", check=True)
    check_contents(tmp_path / "own.tar.gz")


def test_several_gzip_members_are_read_as_one(tmp_path):
    # As written by bgzip and `cat one.gz two.gz`, with zeros padding a tape block.
    write_archive(tmp_path / "good.tar.gz")
    content = gzip.decompress((tmp_path / "good.tar.gz").read_bytes())
    parts = [gzip.compress(content[start : start + 50_000]) for start in range(0, len(content), 50_000)]
    (tmp_path / "parts.tar.gz").write_bytes(b"".join(parts) + bytes(100))
    check_contents(tmp_path / "parts.tar.gz")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["directory", "fifo"])
def test_what_is_not_a_regular_file_is_refused(tmp_path, make):
    make(tmp_path / "other.tar.gz")
    assert "not a regular file" in refusal(tmp_path / "other.tar.gz")


def test_the_same_contents_make_the_same_bytes(tmp_path):
    write_archive(tmp_path / "one.tar.gz")
    write_archive(tmp_path / "other.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "other.tar.gz").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[: len(body) // 2],
        lambda body: body[:-4],
        lambda body: b"",
        lambda body: b"<!DOCTYPE html><html><body>503 Service Unavailable</body></html>",
        lambda body: gzip.compress(b"not a tar archive" * 100),
    ],
    ids=["cut in half", "end cut off", "empty", "a web page", "no tar inside"],
)
def test_a_damaged_archive_is_refused(tmp_path, damage):
    write_archive(tmp_path / "good.tar.gz")
    path = tmp_path / "bad.tar.gz"
    path.write_bytes(damage((tmp_path / "good.tar.gz").read_bytes()))
    assert "not a complete gzipped tar archive" in refusal(path)


def test_a_flipped_bit_changes_no_image_unnoticed(tmp_path):
    write_archive(tmp_path / "good.tar.gz")
    good = (tmp_path / "good.tar.gz").read_bytes()
    refused = 0
    for position in range(10, len(good), len(good) // 50):
        damaged = bytearray(good)
        damaged[position] ^= 1
        (tmp_path / "bad.tar.gz").write_bytes(damaged)
        try:
            check_contents(tmp_path / "bad.tar.gz")
        except DataError:
            refused += 1
    # A few bits of the compressed form have no meaning.
    assert refused >= 48


@pytest.mark.slow
def test_a_byte_flipped_before_the_compression_ends_in_no_other_error(tmp_path):
    body = usual_members()[0][1]
    refused = 0
    for position in range(0, 100, 2):
        damaged = body[:position] + bytes([body[position] ^ 255]) + body[position + 1 :]
        write_members(tmp_path / "bad.tar.gz", usual_members(data_batch_1=damaged))
        try:
            read_archive(tmp_path / "bad.tar.gz", "bad.tar.gz")
        except DataError as error:
            assert str(error).startswith(f"bad.tar.gz: {FOLDER}/data_batch_1: ")
            refused += 1
    # Some bytes have no effect, such as a memo index that is never looked up.
    assert refused > 25


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.size": "abc"},
        {"GNU.sparse.map": "0,10", "GNU.sparse.size": "90000000"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10"},
        {"path": "../evil"},
        {"size": "-512"},
        {"linkpath": "/etc/passwd"},
    ],
    ids=["sparse 0.0", "sparse 0.1", "sparse 1.0", "path", "size", "link"],
)
def test_an_extended_header_that_changes_its_member_is_refused(tmp_path, headers):
    members = usual_members()
    members[0][0].pax_headers = headers
    write_members(tmp_path / "bad.tar.gz", members)
    assert "has an extended header that changes its name or size" in refusal(tmp_path / "bad.tar.gz")


def test_an_extended_header_that_is_too_large_is_refused(tmp_path):
    members = usual_members()
    members[0][0].pax_headers = {"comment": "x" * 100_000}
    write_members(tmp_path / "bad.tar.gz", members)
    assert "has an extended header of 100,0" in refusal(tmp_path / "bad.tar.gz")


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    write_members(tmp_path / "bad.tar.gz", [*usual_members(), *usual_members()[:1]])
    message = refusal(tmp_path / "bad.tar.gz")
    assert f"the member '{FOLDER}/data_batch_1' occurs twice" in message


@pytest.mark.parametrize("name", MEMBERS)
def test_a_missing_member_is_named(tmp_path, name):
    members = [pair for pair in usual_members() if not pair[0].name.endswith(name)]
    write_members(tmp_path / "bad.tar.gz", members)
    assert f"lacks {FOLDER}/{name}" in refusal(tmp_path / "bad.tar.gz")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        f"././{FOLDER}/evil",
        f"{FOLDER}/../../evil",
        "{tmp_path}/evil",
        f"{FOLDER}/..",
        "evil",
        f"{FOLDER}/sub/evil",
        "\x1b[2J\n" * 100_000,
    ],
    ids=[
        "above",
        "two dots",
        "above the folder",
        "absolute",
        "dots",
        "beside",
        "below",
        "long, of control characters",
    ],
)
def test_a_member_outside_the_folder_is_refused(tmp_path, name):
    member = tarfile.TarInfo(name.replace("{tmp_path}", str(tmp_path)))
    write_members(tmp_path / "bad.tar.gz", [*usual_members(), (member, b"evil")])
    assert "it is refused" in refusal(tmp_path / "bad.tar.gz")
    assert [path.name for path in tmp_path.rglob("*")] == ["bad.tar.gz"]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
    ids=["symbolic link", "hard link", "character device", "block device", "fifo"],
)
def test_a_member_that_is_no_regular_file_is_refused(tmp_path, kind):
    member = tarfile.TarInfo(f"{FOLDER}/data_batch_1")
    member.type, member.linkname = kind, "/etc/passwd"
    write_members(tmp_path / "bad.tar.gz", [(member, b"")])
    assert "is not a regular file" in refusal(tmp_path / "bad.tar.gz")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 1_000_000)
    members = [(tarfile.TarInfo(f"{FOLDER}/readme{k}.html"), bytes(400_000)) for k in range(4)]
    write_members(tmp_path / "bomb.tar.gz", members)
    assert (tmp_path / "bomb.tar.gz").stat().st_size < 10_000
    assert "unpacks to more than 1,000,000 bytes" in refusal(tmp_path / "bomb.tar.gz")


def test_a_member_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    write_archive(tmp_path / "bad.tar.gz")
    assert "bytes; it is refused" in refusal(tmp_path / "bad.tar.gz")


def test_too_many_members_are_refused(tmp_path):
    members = [(tarfile.TarInfo(f"{FOLDER}/readme{k}.html"), b"") for k in range(101)]
    write_members(tmp_path / "bad.tar.gz", members)
    assert "more than 100 members" in refusal(tmp_path / "bad.tar.gz")


@pytest.mark.parametrize(
    "make",
    [
        lambda canary: Call(os.system, f"touch {canary}"),
        lambda canary: Call(eval, f"open({str(canary)!r}, 'w')"),
        lambda canary: Call(exec, f"open({str(canary)!r}, 'w')"),
        lambda canary: Call(open, str(canary), "w"),
        lambda canary: Call(getattr, "text", "upper"),
        lambda canary: Call(np.save, str(canary), np.zeros(1)),
        lambda canary: Call(np.memmap, str(canary), np.uint8, "w+", 0, (1,)),
        lambda canary: np.array([Call(os.system, f"touch {canary}")], dtype=object),
    ],
    ids=["os.system", "eval", "exec", "open", "getattr", "numpy.save", "numpy.memmap", "in an object array"],
)
def test_a_pickle_that_calls_anything_is_refused_and_nothing_is_called(tmp_path, make):
    canary = tmp_path / "canary"
    body = pickle.dumps({"data": make(canary), "labels": []}, protocol=2)
    write_members(tmp_path / "bad.tar.gz", usual_members(data_batch_3=body))
    message = refusal(tmp_path / "bad.tar.gz")
    assert f"{FOLDER}/data_batch_3" in message
    assert "which is not allowed in data" in message
    assert not canary.exists()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_hostile_pickle_is_refused_in_any_member(tmp_path, name):
    canary = tmp_path / "canary"
    body = pickle.dumps(Call(os.system, f"touch {canary}"), protocol=2)
    write_members(tmp_path / "bad.tar.gz", usual_members(**{name: body}))
    assert f"{FOLDER}/{name}: not a pickle of NumPy arrays" in refusal(tmp_path / "bad.tar.gz")
    assert not canary.exists()


def test_a_pickle_that_asks_for_an_endless_name_is_refused_in_one_line(tmp_path):
    body = b"\x80\x04\x8c\x02os" + b"X" + (10**6).to_bytes(4, "little") + b"a\n" * 500_000 + b"\x93."
    write_members(tmp_path / "bad.tar.gz", usual_members(test_batch=body))
    assert "it asks for os.a" in refusal(tmp_path / "bad.tar.gz")


def doubled(value, times):
    """A list of 2**times empty lists that takes a few bytes, but megabytes as a string."""
    for _ in range(times):
        value = [value, value]
    return value


GOOD = {"data": np.zeros((2, 3072), dtype=np.uint8), "labels": [0, 2]}


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ([1, 2], "expected a dictionary with the keys data and labels"),
        ({"data": GOOD["data"]}, "expected a dictionary with the keys data and labels"),
        (
            GOOD | {"data": np.zeros((2, 3071), dtype=np.uint8)},
            "data is an array of 6,142 bytes in another shape or order; expected uint8",
        ),
        (
            GOOD | {"data": np.full((2, 3072), np.nan)},
            "data is an array of type f8; expected uint8 (images, 3072)",
        ),
        (GOOD | {"data": np.asfortranarray(np.ones((2, 3072), np.uint8))}, "in another shape or order"),
        (GOOD | {"data": [[0] * 3072] * 2}, "data is of type list; expected uint8"),
        (GOOD | {"data": np.array([None, None])}, "data is an array of type O8; expected uint8"),
        (GOOD | {"labels": [0]}, "expected a list of as many labels as images (2)"),
        (GOOD | {"labels": [0, 10]}, "has the label 10"),
        (GOOD | {"labels": [0, -1]}, "has the label -1"),
        (GOOD | {"labels": [0, 10**5000]}, "has a label beyond a billion"),
        (GOOD | {"labels": [0, True]}, "has a label of type bool"),
        (GOOD | {"labels": [0, 2.0]}, "has a label of type float"),
        (GOOD | {"labels": [0, math.nan]}, "has a label of type float"),
        (GOOD | {"labels": [0, np.zeros((9, 9))]}, "has a label of type Call"),
        (GOOD | {"labels": [0, doubled([], 22)]}, "has a label of type list"),
        ({"data": np.zeros((0, 3072), dtype=np.uint8), "labels": []}, "has no images"),
    ],
)
def test_a_batch_of_another_layout_is_refused(tmp_path, batch, reason):
    # Not protocol 2, in which NumPy refers to the type bytes for an empty array.
    members = usual_members(data_batch_2=pickle.dumps(batch, protocol=4))
    write_members(tmp_path / "bad.tar.gz", members)
    message = refusal(tmp_path / "bad.tar.gz")
    assert f"{FOLDER}/data_batch_2" in message
    assert reason in message


def test_a_label_in_lists_too_deep_to_print_is_refused(tmp_path):
    body = pickle.dumps({"data": GOOD["data"][:1], "labels": "labels"}, protocol=2)
    deep = b"]" * 80_000 + b"a" * 79_999
    # Assembled by hand: pickle would not write it. "labels" is a key first, and is then reused from the memo.
    memo = body[body.index(b"labels") + 6 :][:2]
    assert memo[:1] == b"q"
    head, found, tail = body.rpartition(b"h" + memo[1:])
    assert found
    write_members(tmp_path / "bad.tar.gz", usual_members(data_batch_1=head + b"](" + deep + b"e" + tail))
    assert "has a label of type list" in refusal(tmp_path / "bad.tar.gz")


@pytest.mark.parametrize("meta", [{}, {"label_names": ["airplane"]}, {"label_names": [1] * 10}, 7], ids=str)
def test_a_meta_file_without_ten_names_is_refused(tmp_path, meta):
    members = usual_members(**{"batches.meta": pickle.dumps(meta, protocol=2)})
    write_members(tmp_path / "bad.tar.gz", members)
    assert "expected label_names, a list of ten names" in refusal(tmp_path / "bad.tar.gz")


def test_a_damaged_pickle_is_refused(tmp_path):
    write_members(tmp_path / "bad.tar.gz", usual_members(test_batch=b"\x80\x02}q\x00(X"))
    assert "not a pickle of NumPy arrays" in refusal(tmp_path / "bad.tar.gz")
