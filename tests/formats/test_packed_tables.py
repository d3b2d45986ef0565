"""Tests of `formats.packed_tables`: what comes out is the table, or a message says why not."""

import gzip
import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.base.errors import InputError
from metastasis.formats import packed_tables

TABLE = b"id,label\n" + b"x,1\n" * 100


def zipped(*names: str, content: bytes = TABLE) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [TABLE, gzip.compress(TABLE), zipped("a.csv"), zipped("a.CSV", "__MACOSX/._a.csv", "b.txt")],
    ids=["plain", "gzip", "zip", "zip of more"],  # packed bytes hold the time
)
def test_the_table_comes_out(content: bytes) -> None:
    assert packed_tables.unpack("t", content) == TABLE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped("xl/workbook.xml"), r"is an Excel workbook: save its sheet as CSV; "),
        (zipped(), r"is a zip; expected one \.csv in it, found: none\."),
        (zipped("a.csv", "b.csv"), r"is a zip; .* found: a\.csv, b\.csv\."),
        (zipped("a.csv")[:-30], r"can't be unpacked: File is not a zip file\."),
        (gzip.compress(TABLE)[:-9], r"can't be unpacked: Compressed file ended"),
        (gzip.compress(TABLE)[:-8] + bytes(8), r"can't be unpacked: CRC check failed"),
    ],
    ids=["workbook", "empty zip", "zip of two", "cut zip", "cut gzip", "damaged gzip"],
)
def test_what_is_no_single_table_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf"^table-packed: t\.csv\.zip {message}"):
        packed_tables.unpack("t.csv.zip", content)


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped("a.csv", content=content)])
def test_a_table_that_fills_the_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, pack: type
) -> None:
    monkeypatch.setattr(packed_tables, "MAX_TABLE_BYTES", 1000)
    with pytest.raises(InputError, match=r"^table-packed: t holds more than 1,000 bytes"):
        packed_tables.unpack("t", pack(bytes(1001)))


@given(
    content=st.sampled_from([gzip.compress(TABLE), zipped("a.csv")]),
    position=st.integers(0, 300),
    values=st.binary(min_size=1, max_size=4),
    length=st.integers(0, 300),
)
def test_whatever_is_broken_ends_in_a_table_or_a_message(
    content: bytes, position: int, values: bytes, length: int
) -> None:
    broken = bytearray(content)
    broken[position : position + len(values)] = values
    try:
        packed_tables.unpack("t", bytes(broken[:length]))
    except InputError as error:
        assert str(error).startswith("table-packed: ")  # noqa: PT017  # it may well pass


@pytest.mark.parametrize(
    ("head", "is_map"),
    [
        (b"id,wsi\n", True),
        (b"\xef\xbb\xbfID, Slide \r\n1,2", True),
        (b'"patch_id","patient"\n', True),
        (gzip.compress(b"id,slide\n" + TABLE * 1000, mtime=0)[:500], True),
        (b"filename;Case-ID;age\n", True),
        (b"Patch ID\tslide_path\n", True),
        (b"file_name|label|bcr_patient_barcode\r\n", True),
        ("id,slide\n".encode("utf-16"), True),  # with a byte-order mark
        (b"\xfe\xff" + "id\tSlide Name\n".encode("utf-16-be") + b"\0", True),
        (gzip.compress(b"id;slide\n", mtime=0), True),
        (b"slide;case\n", False),
        ("id,label\n".encode("utf-16"), False),
        (b"id,label\n", False),
        (b"wsi\n", False),
        (b"", False),
        (b"\xff\xfe\0", False),
        (b"\x1f\x8bnonsense", False),
    ],
)
def test_a_slide_map_is_known_by_its_header(head: bytes, *, is_map: bool) -> None:
    assert packed_tables.is_slide_map(head) is is_map


@pytest.mark.parametrize("size", [1, 200, 2**31])
def test_a_zip_whose_directory_claims_another_size_is_damaged(size: int) -> None:
    content = bytearray(zipped("a.csv"))
    content[-10:-6] = size.to_bytes(4, "little")  # of the directory, in the record at the end
    with pytest.raises(InputError, match=r"^table-packed: t\.csv\.zip can't be unpacked"):
        packed_tables.unpack("t.csv.zip", bytes(content))
