"""Tests of `metastasis.ingesting`: every image is packed as it is, or a row with its reason."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bytes, sha1, write_tif
from numpy.typing import NDArray

from metastasis import ingesting, shards
from metastasis.errors import InputError


def ingest(source: Path, target: Path, slides: str = "id,slide\n") -> pd.DataFrame:
    target.mkdir(exist_ok=True)
    (target / "slides.csv").write_text(slides)
    ingesting.ingest(
        source,
        target / "slides.csv",
        shards_folder=target / "patches",
        inventory_path=target / "inventory.parquet",
        tables_folder=target / "tables",
    )
    return pd.read_parquet(target / "inventory.parquet")


def test_every_pixel_arrives_in_rgb(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    ingest(source, tmp_path / "out")
    packed = shards.read(tmp_path / "out" / "patches")
    labelled = packed.take(packed.locate(pd.Series(map(sha1, patches[:20])), "labelled"))
    tested = packed.take(packed.locate(pd.Series(map(sha1, patches[20:])), "test"))
    assert np.array_equal(np.concatenate([labelled, tested]), patches)


def test_the_inventory_tells_what_each_patch_is(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    inventory = ingest(source, tmp_path / "out")
    assert (inventory["sha1"] == inventory["id"]).all()
    assert (inventory["problem"] == "").all()
    assert inventory["pool"].tolist() == ["labelled"] * 20 + ["test"] * 4
    row = inventory.set_index("id").loc[sha1(patches[0])]
    assert (row["height"], row["width"], row["channels"], row["dtype"]) == (96, 96, 3, "uint8")
    assert row["num_bytes"] == (source / "train" / f"{sha1(patches[0])}.tif").stat().st_size
    assert row["mean"] == pytest.approx(patches[0].mean(), rel=1e-6)
    assert row["std"] == pytest.approx(patches[0].std(), rel=1e-6)


def test_the_same_source_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    ingest(source, tmp_path / "a")
    ingest(source, tmp_path / "b")
    assert_same_bytes(tmp_path / "a", tmp_path / "b", 7)


def test_tables_are_copied_byte_for_byte(source: Path, tmp_path: Path) -> None:
    (source / "train_labels.csv").write_bytes(b"\xef\xbb\xbfid,label\r\nx,1\r\n")
    ingest(source, tmp_path / "out")
    copied = tmp_path / "out" / "tables" / "train_labels.csv"
    assert copied.read_bytes() == b"\xef\xbb\xbfid,label\r\nx,1\r\n"


def test_a_slide_map_in_the_source_wins(source: Path, tmp_path: Path) -> None:
    ingest(source, tmp_path / "out", slides="id,slide\nother,s\n")
    copied = (tmp_path / "out" / "tables" / "slides.csv").read_bytes()
    assert copied == (source / "slides.csv").read_bytes()


def test_the_slide_map_beside_is_taken_where_the_source_has_none(
    source: Path, tmp_path: Path
) -> None:
    (source / "slides.csv").unlink()
    ingest(source, tmp_path / "out", slides="id,slide\nother,s\n")
    assert (tmp_path / "out" / "tables" / "slides.csv").read_text() == "id,slide\nother,s\n"


def test_a_missing_slide_map_is_told(source: Path, tmp_path: Path) -> None:
    params = ingesting.DataParams(source=str(source), slides=str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match=r"data\.slides: .*none\.csv is no file; expected a CSV"):
        ingesting.check(params)


@pytest.mark.parametrize("folder", [".", "data"])
def test_a_source_that_would_hold_the_outputs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "slides.csv").touch()
    with pytest.raises(InputError, match="holds the pipeline's own outputs"):
        ingesting.check(ingesting.DataParams(source=folder, slides="data/slides.csv"))


def encoded(image: NDArray[np.generic], suffix: str = ".tif") -> bytes:
    is_written, content = cv2.imencode(suffix, image)
    assert is_written
    return content.tobytes()


def huge_png() -> bytes:
    """A PNG whose header claims 200,000 x 200,000 pixels."""
    content = bytearray(encoded(np.zeros((1, 1, 3), np.uint8), ".png"))
    content[16:24] = struct.pack(">II", 200_000, 200_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


NOISE = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not decodable"),
        (b"no image at all", "not decodable"),
        (encoded(NOISE)[:1000], "not decodable"),
        (encoded(NOISE)[:-1000], "not decodable"),
        (huge_png(), "not decodable"),
        (encoded(NOISE[:95]), "95x96x3 uint8, expected 96x96x3 uint8"),
        (encoded(NOISE[:, :, 0]), "96x96x1 uint8, expected 96x96x3 uint8"),
        (encoded(np.dstack([NOISE, NOISE[:, :, 0]])), "96x96x4 uint8, expected 96x96x3 uint8"),
        (encoded(NOISE.astype(np.uint16)), "96x96x3 uint16, expected 96x96x3 uint8"),
        (encoded(NOISE.astype(np.float32)), "96x96x3 float32, expected 96x96x3 uint8"),
    ],
)
def test_a_bad_image_is_a_row_with_its_reason_and_in_no_shard(
    source: Path, tmp_path: Path, content: bytes, problem: str
) -> None:
    bad = sorted((source / "train").iterdir())[3]
    bad.write_bytes(content)
    inventory = ingest(source, tmp_path / "out").set_index("id")
    row = inventory.loc[bad.stem]
    assert row["problem"] == problem
    assert (row["shard"], row["row"]) == (-1, -1)
    assert (inventory["problem"] != "").sum() == 1
    packed = shards.read(tmp_path / "out" / "patches")
    assert len(packed.index) == 23
    assert bad.stem not in set(packed.index["id"])


def test_what_is_no_image_file_is_a_row_with_its_reason(source: Path, tmp_path: Path) -> None:
    id_ = min((source / "train").iterdir()).stem
    (source / "train" / "notes.txt").write_text("hello")
    (source / "train" / id_).write_text("the id of another file, without .tif")
    (source / "train" / "folder.tif").mkdir()
    (source / "train" / "broken.tif").symlink_to(tmp_path / "nowhere")
    (source / "train" / ".DS_Store").write_text("hidden")
    inventory = ingest(source, tmp_path / "out")
    problems = inventory[inventory["problem"] != ""].set_index("id")["problem"].to_dict()
    assert problems == {
        "notes.txt": "not named ID.tif",
        id_: "not named ID.tif",
        "folder": "not readable: Is a directory",
        "broken": "not readable: No such file or directory",
    }
    assert len(inventory) == 28
    assert shards.read(tmp_path / "out" / "patches").index["id"].is_unique


def test_a_source_of_labelled_patches_alone_is_read(source: Path, tmp_path: Path) -> None:
    for path in (source / "test").iterdir():
        path.unlink()
    (source / "test").rmdir()
    (source / "sample_submission.csv").unlink()
    assert len(ingest(source, tmp_path / "out")) == 20


def test_a_missing_source_is_told_from_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist; expected a folder"):
        ingest(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out" / "patches").exists()


def test_swapped_channels_show_in_the_hash(source: Path, tmp_path: Path) -> None:
    victim = min((source / "train").iterdir())
    write_tif(victim, np.ascontiguousarray(cv2.imread(str(victim))))
    inventory = ingest(source, tmp_path / "out").set_index("id")
    assert inventory.loc[victim.stem, "sha1"] != victim.stem
