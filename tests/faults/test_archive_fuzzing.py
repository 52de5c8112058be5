"""Fuzzed archives: each is accepted, or rejected by name, in bounded memory and time.

`pytest -m long` tries thousands, the default hundreds; each is read in its own process (helpers/sandbox.py).
"""

import gzip
import pickle
import pickletools
import struct
import tarfile
import zlib
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from helpers.sandbox import ACCEPTED, MOST_BYTES, MOST_SECONDS, REFUSED, sandbox
from helpers.small_archives import make_batches, write_archive
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handgrad.data.archives import FOLDER, LARGEST_MEMBER

pytestmark = pytest.mark.slow
CASES = [200, pytest.param(5000, marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    good = tmp_path_factory.mktemp("good") / "good.tar.gz"
    write_archive(good)
    with sandbox(good) as running:
        yield running


@pytest.fixture
def check(reader, tmp_path):
    """Read an archive of these bytes; assert that it is accepted or rejected by name; return the outcome."""
    folder = tmp_path / "archive"
    folder.mkdir()
    path = folder / "archive.tar.gz"

    def read(content):
        path.write_bytes(content)
        outcome = reader.read(path)
        assert outcome.code in (ACCEPTED, REFUSED), outcome
        assert outcome.bytes <= MOST_BYTES, outcome
        assert outcome.seconds <= MOST_SECONDS, outcome
        assert list(folder.iterdir()) == [path]
        assert path.read_bytes() == content
        if outcome.code == REFUSED:
            assert outcome.message.startswith("archive: "), outcome
            assert outcome.message.isprintable()
            assert len(outcome.message) < 1000
        return outcome

    return read


class Content(bytes):
    """Bytes with a short representation, for Hypothesis's messages."""

    def __repr__(self):
        return f"<{len(self)} bytes>"


def fuzz(contents, check, cases):
    """Check this many archives; print how many were accepted and rejected."""
    tally = Counter()

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(contents.map(Content))
    def each(content):
        tally[("accepted", "refused")[check(content).code]] += 1

    each()
    print(dict(tally))
    assert tally["refused"] > cases / 4


def bodies(**replaced):
    batches = make_batches(per_class_train=5, per_class_test=1)
    return {name: pickle.dumps(content, protocol=2) for name, content in batches.items()} | replaced


def tar(members):
    """An uncompressed tar archive of these headers and bodies."""
    pieces = []
    for header, body in members:
        pieces += [header, body, bytes(-len(body) % tarfile.BLOCKSIZE)]
    return b"".join(pieces) + bytes(2 * tarfile.BLOCKSIZE)


def header(name, size, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def archive(**replaced):
    """A compressed archive with the contents of some members replaced."""
    members = bodies(**replaced).items()
    return packed(tar([(header(f"{FOLDER}/{name}", len(body)), body) for name, body in members]))


def packed(content):
    return gzip.compress(content, compresslevel=1, mtime=0)


# Integers at the limits of what fields can hold, and any others.
integers = st.sampled_from(
    [0, 1, 255, 256, 2**16, 2**27, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63]
) | st.integers(0, 2**64 - 1)
ARGUMENTS = {
    "uint1": lambda draw: struct.pack("<B", draw(integers) % 2**8),
    "uint2": lambda draw: struct.pack("<H", draw(integers) % 2**16),
    "int4": lambda draw: struct.pack("<I", draw(integers) % 2**32),
    "uint4": lambda draw: struct.pack("<I", draw(integers) % 2**32),
    "uint8": lambda draw: struct.pack("<Q", draw(integers)),
    "float8": lambda draw: struct.pack(">d", draw(st.floats())),
}
NAMES = [
    "numpy.core.multiarray\n_reconstruct", "numpy\nndarray", "numpy\ndtype", "_codecs\nencode",
    "os\nsystem", "builtins\neval", "numpy\nmemmap", "copyreg\n_reconstructor",
    "numpy.core.multiarray\nscalar",
]  # fmt: skip


@st.composite
def opcodes(draw):
    """One opcode of any protocol, with a valid argument or with arbitrary bytes."""
    opcode = draw(st.sampled_from(pickletools.opcodes))
    code = opcode.code.encode("latin-1")
    if opcode.name in ("GLOBAL", "INST"):
        return code + draw(st.sampled_from(NAMES)).encode() + b"\n"
    if opcode.arg is None:
        return code
    if opcode.arg.name in ARGUMENTS:
        return code + ARGUMENTS[opcode.arg.name](draw)
    text = draw(
        st.sampled_from([b"u1", b"O8", b"hex", b"latin1", b"data", b"labels"]) | st.binary(max_size=20)
    )
    length = draw(st.just(len(text)) | integers)
    sizes = {"1": "<B", "4": "<I", "8": "<Q"}
    if (kind := opcode.arg.name[-1]) in sizes:
        return code + struct.pack(sizes[kind], length % 2 ** (8 * int(kind))) + text
    return code + text + b"\n"


@st.composite
def pickles(draw):
    """A valid batch with opcodes inserted, deleted, repeated and swapped; or random opcodes only."""
    good = bodies()["data_batch_1"]
    ends = [position for _, _, position in pickletools.genops(good)] + [len(good)]
    parts = [good[start:end] for start, end in pairwise(ends)]
    if draw(st.booleans()):
        parts = [b"\x80\x04"]
    for _ in range(draw(st.integers(1, 30 if len(parts) == 1 else 4))):
        position = draw(st.integers(0, len(parts)))
        change = draw(st.sampled_from(["insert", "replace", "remove", "repeat"]))
        repeats = draw(st.sampled_from([1, 1, 1, 1000, 300_000])) if change == "repeat" else 1
        new = [draw(opcodes()) * repeats] if change != "remove" else []
        parts[position : position + (change != "insert")] = new
    return b"".join(parts) + draw(st.sampled_from([b".", b""]))


@st.composite
def tars(draw):
    """A valid tar archive with headers changed, repeated and inserted."""
    members = [[bytearray(header(f"{FOLDER}/{name}", len(body))), body] for name, body in bodies().items()]
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(members) - 1))
        change = draw(st.sampled_from(["field", "bytes", "new", "again", "cut"]))
        block, body = members[position]
        if change == "field":
            # Name, mode, size, checksum, type and link; numbers also in base 256.
            start, length = draw(
                st.sampled_from([(0, 100), (100, 8), (124, 12), (148, 8), (156, 1), (157, 100)])
            )
            number = draw(integers)
            octal = f"{number:o}".encode()[: length - 1] + b"\0"
            binary = b"\x80" + number.to_bytes(11, "big")
            value = draw(
                st.sampled_from([octal, binary, b"\xff" * length, b"-1\0"]) | st.binary(max_size=length)
            )
            block[start : start + len(value[:length])] = value[:length]
        elif change == "bytes":
            block[draw(st.integers(0, 511))] = draw(st.integers(0, 255))
        elif change == "again":
            members.insert(position, [bytearray(block), body])
        elif change == "cut":
            members[position][1] = body[: draw(st.integers(0, len(body)))]
        else:
            kind = draw(
                st.sampled_from(
                    [b"x", b"g", b"L", b"K", b"S", b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"X"]
                )
            )
            record = draw(
                st.sampled_from(
                    [b"11 path=a/b\n", b"9 size=-1\n", b"22 GNU.sparse.major=1\n", b"1 " * 20_000]
                )
                | st.binary(max_size=600)
            )
            name = draw(st.sampled_from([f"{FOLDER}/data_batch_1", "../../evil", "/evil", "././@LongLink"]))
            new = [
                bytearray(header(name, draw(st.just(len(record)) | integers.map(lambda n: n % 2**33)), kind)),
                record,
            ]
            members[position:position] = [new] * draw(st.sampled_from([1, 1, 2, 150]))
    if draw(st.booleans()):
        for block, _ in members:
            block[148:156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:]))
    return packed(tar([(bytes(block), body) for block, body in members]))


@st.composite
def zipped(draw):
    """A valid archive whose gzip members and headers are changed, truncated, repeated and shuffled."""
    good = archive()
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        change = draw(st.sampled_from(["flip", "flags", "cut", "name", "members", "append", "zeros", "bomb"]))
        if change == "flip" and content:
            content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
        elif change == "flags" and len(content) > 3:
            content[3] = draw(st.integers(0, 255))
        elif change == "cut":
            del content[draw(st.integers(0, len(content))) :]
        elif change == "name" and len(content) > 10:
            content[3] |= 8
            content[10:10] = b"a" * draw(st.sampled_from([0, 10, 1_000_000])) + draw(
                st.sampled_from([b"\0", b""])
            )
        elif change == "members":
            place = draw(st.sampled_from([0, len(content)]))
            content[place:place] = gzip.compress(b"", mtime=0) * draw(st.sampled_from([1, 100, 20_000]))
        elif change == "append":
            content += draw(st.binary(max_size=100))
        elif change == "zeros":
            content += bytes(draw(st.sampled_from([1, 1000, 1_000_000])))
        else:
            content += gzip.compress(bytes(draw(st.sampled_from([10, 50_000_000]))), mtime=0)
    return bytes(content)


@pytest.mark.parametrize("cases", CASES)
def test_pickles(check, cases):
    fuzz(pickles().map(lambda body: archive(data_batch_1=body)), check, cases)


@pytest.mark.parametrize("cases", CASES)
def test_tar_headers(check, cases):
    fuzz(tars(), check, cases)


@pytest.mark.parametrize("cases", CASES)
def test_gzip_members(check, cases):
    fuzz(zipped(), check, cases)


def forged_array():
    """A pickle of allowed names that makes NumPy follow a pointer: an object array built from raw bytes."""
    dtype = b"cnumpy\ndtype\n(U\x02O8K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    raw = b"T" + struct.pack("<i", 8 * 3072) + b"A" * (8 * 3072)
    return (
        b"\x80\x02}(U\x04data" + array + b"(K\x01(K\x01M\x00\x0ct" + dtype + b"\x89" + raw + b"tb"
        b"U\x06labels](K\x00eu."
    )


def nested_encodings():
    text = b"X" + struct.pack("<i", 1_000_000) + b"a" * 1_000_000
    return b"\x80\x02" + b"c_codecs\nencode\n" * 12 + text + b"U\x03hex\x86R" * 12 + b"."


def repeated_encodings():
    """A list of many encoded copies of one string, each of which takes five bytes."""
    text = b"X" + struct.pack("<i", 30_000_000) + b"a" * 30_000_000
    start = b"\x80\x02c_codecs\nencode\nq\x01" + text + b"U\x06latin1\x86q\x02R"
    return start + b"](" + b"h\x01h\x02R" * 1000 + b"e."


def colliding_keys():
    """Keys that are multiples of the modulus of Python's integer hash, so that all hash to 0."""
    keys = b"".join(
        b"\x8a\x0a" + (number * (2**61 - 1)).to_bytes(10, "little") + b"N" for number in range(60_000)
    )
    return b"\x80\x02}(" + keys + b"u."


def records(count):
    """A PAX header with this many records."""
    body = b"7 a=bc\n" * count
    return header("pax", len(body), tarfile.XHDTYPE) + body + bytes(-len(body) % 512)


def sparse_map():
    """A sparse file whose map has as many entries as the maximum size of the archive allows."""
    headers = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n30 GNU.sparse.realsize=10000\n"
    body = b"100000000\n" + b"0\n" * 20_000_000
    return (
        header("pax", len(headers), tarfile.XHDTYPE) + headers + bytes(-len(headers) % 512)
        + header(f"{FOLDER}/data_batch_1", len(body)) + body
    )  # fmt: skip


def long_gzip_name():
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 150_000_000


def largest_batches():
    """Five well-formed batches of the maximum member size."""
    images = LARGEST_MEMBER // 3072 - 100
    batch = {"data": np.zeros((images, 3072), np.uint8), "labels": [0] * images}
    return archive(**{f"data_batch_{number}": pickle.dumps(batch, protocol=4) for number in range(1, 6)})


BOMBS = {
    "an array of pointers": lambda: archive(data_batch_1=forged_array()),
    "a memo index of 2^27": lambda: archive(data_batch_1=b"\x80\x02Nr" + struct.pack("<I", 2**27) + b"."),
    "nested encodings": lambda: archive(data_batch_1=nested_encodings()),
    "repeated encodings": lambda: archive(data_batch_1=repeated_encodings()),
    "keys of one hash": lambda: archive(data_batch_1=colliding_keys()),
    "a byte for each list": lambda: archive(data_batch_1=b"\x80\x02" + b"]" * 60_000_000 + b"."),
    "lists in lists": lambda: archive(data_batch_1=b"\x80\x02" + b"]" * 90_000 + b"a" * 89_999 + b"."),
    "a text four times as wide in memory": lambda: archive(
        data_batch_1=b"\x80\x02X"
        + struct.pack("<i", 60_000_004)
        + "\U0001f600".encode()
        + b"a" * 60_000_000
        + b"."
    ),
    "batches of the largest size": largest_batches,
    "five million PAX records": lambda: packed(records(5_000_000) + gzip.decompress(archive())),
    "a hundred thousand PAX headers": lambda: packed(records(1) * 100_000 + gzip.decompress(archive())),
    "a map of 20 million holes": lambda: packed(sparse_map()),
    "a gzip name of 150 MB": long_gzip_name,
    "a million empty gzip members": lambda: gzip.compress(b"", mtime=0) * 1_000_000 + archive(),
    "a gigabyte of zeros": lambda: zlib_bomb(1_000_000_000),
    "zeros behind the archive": lambda: archive() + bytes(200_000_000),
}


def zlib_bomb(size):
    """A gzip member that decompresses to this many zeros."""
    packing = zlib.compressobj(9, wbits=31)
    return b"".join(packing.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + packing.flush()


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_bombs(check, make):
    outcome = check(make())
    print(f"{outcome.bytes / 1e6:.0f} MB, {outcome.seconds:.2f} s: {outcome.message}")


def test_what_pickle_load_would_run_is_refused(reader, tmp_path):
    body = b"cposix\nmkdir\n(V" + str(tmp_path / "canary").encode() + b"\ntR."
    (tmp_path / "archive.tar.gz").write_bytes(archive(data_batch_1=body))
    outcome = reader.read(tmp_path / "archive.tar.gz")
    assert outcome.code == REFUSED
    assert "it asks for posix.mkdir" in outcome.message
    pickle.loads(body)
    assert (tmp_path / "canary").is_dir()


def test_the_good_archive_of_the_fuzzer_is_accepted(check):
    assert check(archive()).code == ACCEPTED
