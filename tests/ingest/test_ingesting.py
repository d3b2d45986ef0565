"""Tests of `ingest.ingesting`: every image is packed as it is, or a row with its reason."""

import gzip
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from helpers.files import assert_same_bytes
from helpers.ingesting import ingest
from helpers.kaggle import zipped
from helpers.patches import sha1, write_tif
from helpers.pcam import write_pcam
from metastasis.base.errors import InputError
from metastasis.ingest import ingesting
from metastasis.patches import shards


def test_every_pixel_arrives_in_rgb(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    ingest(source, tmp_path / "out")
    packed = shards.read(tmp_path / "out" / "patches")
    labelled = packed.take(packed.locate(pd.Series(map(sha1, patches[:20])), "labelled"))
    tested = packed.take(packed.locate(pd.Series(map(sha1, patches[20:])), "unlabelled"))
    assert np.array_equal(np.concatenate([labelled, tested]), patches)


def test_the_inventory_tells_what_each_patch_is(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    inventory = ingest(source, tmp_path / "out")
    assert (inventory["sha1"] == inventory["id"]).all()
    assert (inventory["flaw"] == "").all()
    assert inventory["pool"].tolist() == ["labelled"] * 20 + ["unlabelled"] * 4
    row = inventory.set_index("id").loc[sha1(patches[0])]
    assert (row["height"], row["width"], row["channels"], row["dtype"]) == (96, 96, 3, "uint8")
    assert row["num_bytes"] == (source / "train" / f"{sha1(patches[0])}.tif").stat().st_size
    assert row["compression"] == "lzw"  # OpenCV's default
    assert len(row["perceptual_hash"]) == 16
    assert row["mean"] == pytest.approx(patches[0].mean(), rel=1e-6)
    assert row["std"] == pytest.approx(patches[0].std(), rel=1e-6)


def test_the_same_source_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    ingest(source, tmp_path / "a")
    ingest(source, tmp_path / "b")
    assert_same_bytes(tmp_path / "a", tmp_path / "b", 11)


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


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_further_slide_maps_below_a_top_folder_are_passed_on(
    source: Path, tmp_path: Path, form: str
) -> None:
    names = ("patch_id_wsi.csv", "patch_id_wsi.csv.gz")
    (source / names[0]).write_bytes(b"id,wsi\na,1\n")
    (source / names[1]).write_bytes(gzip.compress(b"id,wsi\na,2\n"))
    outer = tmp_path / "outer"
    outer.mkdir()
    if form == "folder":
        shutil.copytree(source, outer / "inner")
    else:
        zipped(source, outer / "kaggle.zip", "inner/")
    ingest(outer, tmp_path / "out")
    found = {path.name: path.read_bytes() for path in (tmp_path / "out/tables").glob("other-*")}
    assert found == {
        "other-patch_id_wsi.csv": b"id,wsi\na,1\n",
        "other-patch_id_wsi.csv.gz": b"id,wsi\na,2\n",
    }


def test_strays_with_a_carriage_return_in_their_names_can_be_read_back(
    source: Path, tmp_path: Path
) -> None:
    for name in ("a\r.txt", "b\n.txt", "c.txt"):
        (source / name).touch()
    ingest(source, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/tables/strays.csv")
    assert table["name"].tolist() == [r"a\x0d.txt", r"b\x0a.txt", "c.txt"]


def test_ingest_does_not_remove_its_source(source: Path, tmp_path: Path) -> None:
    (tmp_path / "slides.csv").write_text("id,slide\n")
    with pytest.raises(InputError, match="is, contains or is in"):
        ingesting.ingest(
            source,
            tmp_path / "slides.csv",
            shards_folder=source,
            inventory_path=tmp_path / "inventory.parquet",
            tables_folder=tmp_path / "tables",
        )
    assert len(list(source.rglob("*.tif"))) == 24


def test_a_slide_map_beside_one_in_the_source_is_named_as_not_read(
    source: Path, tmp_path: Path
) -> None:
    ingest(source, tmp_path / "out", slides="id,slide\nx,s\n")
    strays = pd.read_csv(tmp_path / "out" / "tables" / "strays.csv")["name"].tolist()
    assert [stray.endswith("(data.slides: the source has its own slide map)") for stray in strays]
    assert len(strays) == 1


def test_chunks_that_are_under_way_do_not_overwrite_each_other(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patches: NDArray[np.uint8]
) -> None:
    """Many small chunks, and a consumer that is slower than the workers."""
    monkeypatch.setattr(ingesting, "CHUNK_ROWS", 1)
    extend = shards.Writer.extend

    def slowly(writer: shards.Writer, found: NDArray[np.uint8]) -> shards.Places:
        time.sleep(0.02)
        return extend(writer, found)

    monkeypatch.setattr(shards.Writer, "extend", slowly)
    ingest(source, tmp_path / "out")
    packed = shards.read(tmp_path / "out" / "patches")
    labelled = packed.take(packed.locate(pd.Series(map(sha1, patches[:20])), "labelled"))
    assert np.array_equal(labelled, patches[:20])


def test_a_bad_image_is_a_row_with_its_flaw_and_in_no_shard(source: Path, tmp_path: Path) -> None:
    bad = sorted((source / "train").iterdir())[3]
    bad.write_bytes(bad.read_bytes()[:1000])
    inventory = ingest(source, tmp_path / "out").set_index("id")
    row = inventory.loc[bad.stem]
    assert (row["flaw"], row["num_bytes"], row["sha1"]) == ("decodable", 1000, "")
    assert (row["shard"], row["row"]) == (-1, -1)
    assert (inventory["flaw"] != "").sum() == 1
    sound = inventory[inventory["flaw"] == ""]
    assert (sound["sha1"] == sound.index).all()
    packed = shards.read(tmp_path / "out" / "patches")
    assert len(packed.index) == 23
    assert bad.stem not in set(packed.index["id"])


def test_a_source_without_one_sound_image_still_has_its_inventory(
    source: Path, tmp_path: Path
) -> None:
    for path in source.rglob("*.tif"):
        path.write_bytes(b"")
    inventory = ingest(source, tmp_path / "out")
    assert (inventory["flaw"] == "format").sum() == 24
    assert len(shards.read(tmp_path / "out" / "patches").index) == 0


def test_a_zip_gives_the_same_shards_tables_and_inventory(source: Path, tmp_path: Path) -> None:
    folder = ingest(source, tmp_path / "folder")
    packed = ingest(zipped(source, tmp_path / "k.zip"), tmp_path / "zip")
    pd.testing.assert_frame_equal(folder, packed)
    for name, num_files in (("patches", 4), ("tables", 5)):
        assert_same_bytes(tmp_path / "folder" / name, tmp_path / "zip" / name, num_files)


def test_hdf5_files_come_in_with_their_slides_and_splits(tmp_path: Path) -> None:
    patches = write_pcam(tmp_path / "pcam")
    inventory = ingest(tmp_path / "pcam", tmp_path / "out")
    everything = np.concatenate(list(patches.values()))
    assert inventory["sha1"].tolist() == list(map(sha1, everything))
    packed = shards.read(tmp_path / "out" / "patches")
    assert np.array_equal(packed.take(packed.locate(inventory["id"], "labelled")), everything)
    assert pd.read_csv(tmp_path / "out" / "tables" / "slides.csv")["split"].nunique() == 3


def test_strays_are_written_down(source: Path, tmp_path: Path) -> None:
    (source / "train" / "notes.txt").touch()
    assert len(ingest(source, tmp_path / "out")) == 24
    strays = (tmp_path / "out" / "tables" / "strays.csv").read_text()
    assert strays == "name\ntrain/notes.txt\n"


def test_a_killed_ingest_leaves_nothing_that_could_be_taken_for_whole(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ingest(source, out)
    os.mkfifo(tmp_path / "pipe")  # reading it blocks: the run is killed in the midst of its work
    script = (
        "import sys; from pathlib import Path; from metastasis.ingest import ingesting\n"
        "from metastasis.formats.kaggle_folder import KaggleFolder\n"
        "source, out, pipe = map(Path, sys.argv[1:])\n"
        "read = KaggleFolder.read\n"
        "def stuck(self, entries):\n"
        "    print('reading', flush=True); pipe.read_bytes(); return read(self, entries)\n"
        "KaggleFolder.read = stuck\n"
        "ingesting.ingest(source, out / 'slides.csv', shards_folder=out / 'patches',\n"
        "    inventory_path=out / 'inventory.parquet', tables_folder=out / 'tables')\n"
    )
    arguments: list[str | Path] = [sys.executable, "-c", script, source, out, tmp_path / "pipe"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        process.kill()
    assert not (out / "patches").exists()
    assert len(ingest(source, out)) == 24
    assert not list(out.glob("*.partial"))


def test_a_source_of_labelled_patches_alone_is_read(source: Path, tmp_path: Path) -> None:
    for path in (source / "test").iterdir():
        path.unlink()
    (source / "test").rmdir()
    (source / "sample_submission.csv").unlink()
    assert len(ingest(source, tmp_path / "out")) == 20


def test_a_missing_source_is_told_from_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist; expected Kaggle's zip"):
        ingest(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out" / "patches").exists()


def test_swapped_channels_show_in_the_hash(source: Path, tmp_path: Path) -> None:
    victim = min((source / "train").iterdir())
    write_tif(victim, np.ascontiguousarray(cv2.imread(str(victim))))
    inventory = ingest(source, tmp_path / "out").set_index("id")
    assert inventory.loc[victim.stem, "sha1"] != victim.stem
