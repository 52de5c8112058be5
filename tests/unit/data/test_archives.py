import gzip
import io
import math
import os
import pickle
import tarfile

import numpy as np
import pytest
from helpers.small_archives import make_batches, write_archive

from handgrad.data import archives
from handgrad.data.archives import ALLOWED, FOLDER, MEMBERS, extract_archive
from handgrad.errors import DataError


class Call:
    """Pickles to a call of `function`: what an attacker would write."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def write_members(path, members):
    """An archive of these tar members: pairs of a TarInfo and its bytes."""
    with tarfile.open(path, "w:gz") as archive:
        for member, body in members:
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))


def usual_members(**replaced):
    """The members of a good archive, some of them with other contents."""
    contents = {name: pickle.dumps(content, protocol=2) for name, content in make_batches().items()}
    return [(tarfile.TarInfo(f"{FOLDER}/{name}"), body) for name, body in (contents | replaced).items()]


def refusal(path, target):
    with pytest.raises(DataError) as error:
        extract_archive(path, target)
    assert not target.exists()
    message = str(error.value)
    # Whatever the archive has in it, the user reads one short line.
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 1000
    return message


def test_a_good_archive_is_extracted_and_its_pixels_are_unchanged(tmp_path):
    write_archive(tmp_path / "good.tar.gz")
    extract_archive(tmp_path / "good.tar.gz", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / FOLDER).iterdir()) == sorted(MEMBERS)
    content = pickle.loads((tmp_path / "out" / FOLDER / "test_batch").read_bytes())
    assert np.array_equal(content["data"], make_batches()["test_batch"]["data"])


def test_pickles_as_python_2_wrote_the_official_ones_are_read(tmp_path):
    # Protocol 2 with numpy 1's module names, and str keys that Python 2 wrote as bytes.
    body = pickle.dumps(make_batches()["data_batch_1"], protocol=2).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core.multiarray" in body
    write_members(tmp_path / "old.tar.gz", usual_members(data_batch_1=body))
    extract_archive(tmp_path / "old.tar.gz", tmp_path / "out")
    assert (tmp_path / "out" / FOLDER / "data_batch_1").read_bytes() == body


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
        lambda body: (
            body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 255]) + body[len(body) // 2 + 1 :]
        ),
    ],
    ids=["cut in half", "end cut off", "empty", "a web page", "no tar inside", "a byte flipped"],
)
def test_a_damaged_archive_is_refused(tmp_path, damage):
    write_archive(tmp_path / "good.tar.gz")
    path = tmp_path / "bad.tar.gz"
    path.write_bytes(damage((tmp_path / "good.tar.gz").read_bytes()))
    assert "not a whole gzipped tar archive" in refusal(path, tmp_path / "out")


def test_a_byte_flipped_before_the_compression_ends_in_no_other_error(tmp_path):
    body = usual_members()[0][1]
    refused = 0
    for position in range(0, 100, 2):
        damaged = body[:position] + bytes([body[position] ^ 255]) + body[position + 1 :]
        write_members(tmp_path / "bad.tar.gz", usual_members(data_batch_1=damaged))
        try:
            extract_archive(tmp_path / "bad.tar.gz", tmp_path / str(position))
        except DataError as error:
            assert str(error).startswith(f"{tmp_path / 'bad.tar.gz'}: {FOLDER}/data_batch_1: ")
            refused += 1
    # Some bytes are no matter, such as a number under which nothing is looked up again.
    assert refused > 25


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"GNU.sparse.size": "abc"}, "not a whole gzipped tar archive"),
        ({"GNU.sparse.map": "a,b"}, "not a whole gzipped tar archive"),
        (
            {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10"},
            "not a whole gzipped tar archive",
        ),
        ({"GNU.sparse.map": "0,10", "GNU.sparse.size": "90000000"}, "is no regular file"),
    ],
    ids=["size", "map", "version", "well-formed"],
)
def test_a_sparse_member_is_refused(tmp_path, headers, reason):
    members = usual_members()
    members[0][0].pax_headers = headers
    write_members(tmp_path / "bad.tar.gz", members)
    assert reason in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    write_members(tmp_path / "bad.tar.gz", [*usual_members(), *usual_members()[:1]])
    message = refusal(tmp_path / "bad.tar.gz", tmp_path / "out")
    assert f"the member '{FOLDER}/data_batch_1' is there twice" in message


@pytest.mark.parametrize("name", MEMBERS)
def test_a_missing_member_is_named(tmp_path, name):
    members = [pair for pair in usual_members() if not pair[0].name.endswith(name)]
    write_members(tmp_path / "bad.tar.gz", members)
    assert f"lacks {FOLDER}/{name}" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        f"{FOLDER}/../../evil",
        "{tmp_path}/evil",
        f"{FOLDER}/..",
        "evil",
        f"{FOLDER}/sub/evil",
        "\x1b[2J\n" * 100_000,
    ],
    ids=["above", "above the folder", "absolute", "dots", "beside", "below", "long, of control signs"],
)
def test_a_member_outside_the_folder_is_refused(tmp_path, name):
    member = tarfile.TarInfo(name.replace("{tmp_path}", str(tmp_path)))
    write_members(tmp_path / "bad.tar.gz", [*usual_members(), (member, b"evil")])
    assert "it is refused" in refusal(tmp_path / "bad.tar.gz", tmp_path / "target/out")
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
    assert "is no regular file" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 1_000_000)
    members = [(tarfile.TarInfo(f"{FOLDER}/readme{k}.html"), bytes(400_000)) for k in range(4)]
    write_members(tmp_path / "bomb.tar.gz", members)
    assert (tmp_path / "bomb.tar.gz").stat().st_size < 10_000
    assert "unpacks to more than 1,000,000 bytes" in refusal(tmp_path / "bomb.tar.gz", tmp_path / "out")


def test_a_member_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    write_archive(tmp_path / "bad.tar.gz")
    assert "bytes; it is refused" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


def test_too_many_members_are_refused(tmp_path):
    members = [(tarfile.TarInfo(f"{FOLDER}/readme{k}.html"), b"") for k in range(101)]
    write_members(tmp_path / "bad.tar.gz", members)
    assert "more than 100 members" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


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
    message = refusal(tmp_path / "bad.tar.gz", tmp_path / "out")
    assert f"{FOLDER}/data_batch_3" in message
    assert "which is not allowed in data" in message
    assert not canary.exists()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_hostile_pickle_is_refused_in_any_member(tmp_path, name):
    canary = tmp_path / "canary"
    body = pickle.dumps(Call(os.system, f"touch {canary}"), protocol=2)
    write_members(tmp_path / "bad.tar.gz", usual_members(**{name: body}))
    assert f"{FOLDER}/{name}: not a pickle" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")
    assert not canary.exists()


def test_a_pickle_that_asks_for_an_endless_name_is_refused_in_one_line(tmp_path):
    body = b"\x80\x04\x8c\x02os" + b"X" + (10**6).to_bytes(4, "little") + b"a\n" * 500_000 + b"\x93."
    write_members(tmp_path / "bad.tar.gz", usual_members(test_batch=body))
    assert "it asks for os.a" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


def test_the_allowed_names_make_arrays_and_nothing_else():
    assert {name for _, name in ALLOWED} == {"_reconstruct", "ndarray", "dtype", "encode"}


def doubled(value, times):
    """A list of 2**times empty lists that takes up a few bytes, but as text megabytes."""
    for _ in range(times):
        value = [value, value]
    return value


GOOD = {"data": np.zeros((2, 3072), dtype=np.uint8), "labels": [0, 2]}


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ([1, 2], "expected a dictionary with the keys data and labels"),
        ({"data": GOOD["data"]}, "expected a dictionary with the keys data and labels"),
        (GOOD | {"data": np.zeros((2, 3071), dtype=np.uint8)}, r"data is uint8 (2, 3071); expected uint8"),
        (GOOD | {"data": np.full((2, 3072), np.nan)}, "data is float64 (2, 3072); expected uint8"),
        (GOOD | {"data": [[0] * 3072] * 2}, "data is list; expected uint8"),
        (GOOD | {"data": np.array([None, None])}, "data is object (2,); expected uint8"),
        (GOOD | {"labels": [0]}, "expected as many labels, in a list, as images (2)"),
        (GOOD | {"labels": [0, 10]}, "has the label 10"),
        (GOOD | {"labels": [0, -1]}, "has the label -1"),
        (GOOD | {"labels": [0, 10**5000]}, "has a label beyond a billion"),
        (GOOD | {"labels": [0, True]}, "has a label of type bool"),
        (GOOD | {"labels": [0, 2.0]}, "has a label of type float"),
        (GOOD | {"labels": [0, math.nan]}, "has a label of type float"),
        (GOOD | {"labels": [0, np.zeros((9, 9))]}, "has a label of type ndarray"),
        (GOOD | {"labels": [0, doubled([], 22)]}, "has a label of type list"),
        ({"data": np.zeros((0, 3072), dtype=np.uint8), "labels": []}, "has no images"),
    ],
)
def test_a_batch_of_another_layout_is_refused(tmp_path, batch, reason):
    # Not protocol 2, in which numpy asks for the type bytes where an array is empty.
    members = usual_members(data_batch_2=pickle.dumps(batch, protocol=4))
    write_members(tmp_path / "bad.tar.gz", members)
    message = refusal(tmp_path / "bad.tar.gz", tmp_path / "out")
    assert f"{FOLDER}/data_batch_2" in message
    assert reason in message


def test_a_label_in_lists_too_deep_to_print_is_refused(tmp_path):
    body = pickle.dumps({"data": GOOD["data"][:1], "labels": "labels"}, protocol=2)
    deep = b"]" * 100_000 + b"a" * 99_999
    # By hand: pickle would not write it. The text "labels" comes as a key first, and again from the memo.
    memo = body[body.index(b"labels") + 6 :][:2]
    assert memo[:1] == b"q"
    head, found, tail = body.rpartition(b"h" + memo[1:])
    assert found
    write_members(tmp_path / "bad.tar.gz", usual_members(data_batch_1=head + b"](" + deep + b"e" + tail))
    assert "has a label of type list" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


@pytest.mark.parametrize("meta", [{}, {"label_names": ["airplane"]}, {"label_names": [1] * 10}, 7], ids=str)
def test_a_meta_file_without_ten_names_is_refused(tmp_path, meta):
    members = usual_members(**{"batches.meta": pickle.dumps(meta, protocol=2)})
    write_members(tmp_path / "bad.tar.gz", members)
    assert "expected label_names, a list of ten names" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")


def test_a_damaged_pickle_is_refused(tmp_path):
    write_members(tmp_path / "bad.tar.gz", usual_members(test_batch=b"\x80\x02}q\x00(X"))
    assert "not a pickle of numpy arrays" in refusal(tmp_path / "bad.tar.gz", tmp_path / "out")
