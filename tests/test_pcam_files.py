"""Tests of `formats.pcam_files`: PatchCamelyon's arrays come in with their slides and splits."""

import gzip
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.formats.pcam_files import PcamFiles
from metastasis.formats.sources import Flaw

SIZES = {"train": 8, "valid": 4, "test": 3}


def name(split: str, kind: str) -> str:
    return f"camelyonpatch_level_2_split_{split}_{kind}"


def write_array(path: Path, kind: str, values: NDArray[np.uint8]) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset(kind, data=values)


def write_pcam(folder: Path, *, has_meta: bool = True) -> dict[str, NDArray[np.uint8]]:
    """Write the published files with a few patches of noise; return those by split."""
    folder.mkdir()
    random = np.random.default_rng(3)
    patches = {}
    for split, size in SIZES.items():
        patches[split] = random.integers(0, 256, (size, 96, 96, 3), np.uint8)
        write_array(folder / f"{name(split, 'x')}.h5", "x", patches[split])
        labels = (np.arange(size) % 2).astype(np.uint8).reshape(-1, 1, 1, 1)
        write_array(folder / f"{name(split, 'y')}.h5", "y", labels)
        meta = pd.DataFrame(
            {
                "coord_y": 0,
                "coord_x": 0,
                "tumor_patch": labels.ravel() == 1,
                "center_tumor_patch": labels.ravel() == 1,
                "wsi": [f"camelyon16_{split}_{row // 2}" for row in range(size)],
            }
        )
        if has_meta:
            meta.to_csv(folder / f"{name(split, 'meta')}.csv")
    return patches


def pack(path: Path) -> None:
    with path.open("rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    path.unlink()


@pytest.fixture
def pcam(tmp_path: Path) -> Path:
    write_pcam(tmp_path / "pcam")
    return tmp_path / "pcam"


@pytest.mark.parametrize("is_packed", [False, True])
def test_every_patch_arrives_with_its_label_slide_and_split(
    tmp_path: Path, *, is_packed: bool
) -> None:
    patches = write_pcam(tmp_path / "pcam")
    if is_packed:
        for path in list((tmp_path / "pcam").glob("*.h5")):
            pack(path)
    with closing(PcamFiles.open(tmp_path / "pcam")) as source:
        entries = source.entries()
        read = np.stack(list(source.read(entries)))
        tables = source.tables()
    assert np.array_equal(read, np.concatenate([patches[split] for split in SIZES]))
    assert {entry.pool for entry in entries} == {"labelled"}
    assert set(tables) == {"train_labels.csv", "slides.csv"}
    labels = tables["train_labels.csv"].decode().splitlines()
    slides = tables["slides.csv"].decode().splitlines()
    assert labels[:3] == ["id,label", "train-000000,0", "train-000001,1"]
    assert slides[0] == "id,slide,split"
    assert slides[4] == "train-000003,camelyon16_train_1,train"
    assert slides[-5:-2] == [
        "valid-000002,camelyon16_valid_1,validation",
        "valid-000003,camelyon16_valid_1,validation",
        "test-000000,camelyon16_test_0,test",
    ]
    assert [line.split(",")[0] for line in labels[1:]] == [entry.id for entry in entries]


def test_any_rows_are_read_as_they_are_asked_for(pcam: Path) -> None:
    source = PcamFiles.open(pcam)
    entries = source.entries()
    everything = list(source.read(entries))
    some = list(source.read(entries[5:11]))
    assert all(np.array_equal(a, b) for a, b in zip(some, everything[5:11], strict=True))


def test_splits_that_are_not_there_are_no_fault(pcam: Path) -> None:
    for path in [*pcam.glob("*_valid_*"), *pcam.glob("*_test_*")]:
        path.unlink()
    assert len(PcamFiles.open(pcam).entries()) == SIZES["train"]


def test_without_meta_files_the_slides_are_unknown_and_the_splits_known(tmp_path: Path) -> None:
    write_pcam(tmp_path / "pcam", has_meta=False)
    slides = PcamFiles.open(tmp_path / "pcam").tables()["slides.csv"].decode().splitlines()
    assert slides[1] == "train-000000,,train"


def test_packed_meta_rows_and_wider_labels_say_the_same(pcam: Path) -> None:
    expected = PcamFiles.open(pcam).tables()
    for split, size in SIZES.items():
        pack(pcam / f"{name(split, 'meta')}.csv")
        for dtype in (np.int64, np.bool_):
            labels = (np.arange(size) % 2).astype(dtype)
            write_array(pcam / f"{name(split, 'y')}.h5", "y", labels)
            assert not PcamFiles.open(pcam).is_packed
    assert PcamFiles.open(pcam).tables() == expected


def test_images_and_labels_exchanged_are_named(pcam: Path) -> None:
    images, labels = (pcam / f"{name('train', kind)}.h5" for kind in "xy")
    images.rename(pcam / "other")
    labels.rename(images)
    (pcam / "other").rename(labels)
    with pytest.raises(InputError, match=r"holds y; expected a dataset x\..*look exchanged"):
        PcamFiles.open(pcam).entries()


def test_other_files_are_strays(pcam: Path) -> None:
    (pcam / name("train", "mask.h5")).touch()
    assert PcamFiles.open(pcam).strays() == [name("train", "mask.h5")]


def test_unpacked_files_go_before_packed_ones(pcam: Path) -> None:
    (pcam / f"{name('train', 'x')}.h5.gz").write_bytes(b"a download that is under way")
    assert len(PcamFiles.open(pcam).entries()) == sum(SIZES.values())


def test_what_is_packed_is_known_by_its_content_and_not_by_its_name(pcam: Path) -> None:
    packed, plain = (pcam / f"{name(split, 'x')}.h5" for split in ("train", "test"))
    pack(packed)
    Path(f"{packed}.gz").rename(packed)
    plain.rename(f"{plain}.gz")
    with closing(PcamFiles.open(pcam)) as source:
        assert len(source.entries()) == sum(SIZES.values())


def as_mirrored(pcam: Path, root: Path) -> None:
    """Lay the files out as Kaggle's mirror has them."""
    for folder in ("pcam", "Labels/Labels", "Metadata/Metadata"):
        (root / folder).mkdir(parents=True)
    for split, word in (("train", "training"), ("valid", "validation"), ("test", "test")):
        (pcam / f"{name(split, 'x')}.h5").rename(root / "pcam" / f"{word}_split.h5")
        (pcam / f"{name(split, 'y')}.h5").rename(root / f"Labels/Labels/{name(split, 'y')}.h5")
        meta = f"{name(split, 'meta')}.csv"
        (pcam / meta).rename(root / "Metadata/Metadata" / meta)


@pytest.mark.parametrize("above", [".", "higher"])
def test_kaggles_mirror_gives_what_the_published_folder_gives(
    pcam: Path, tmp_path: Path, above: str
) -> None:
    with closing(PcamFiles.open(pcam)) as source:
        expected = list(source.read(source.entries())), source.tables()
    root = tmp_path / "root"
    as_mirrored(pcam, root / above)
    (root / "notes.txt").touch()
    with closing(PcamFiles.open(root)) as source:
        read, tables = list(source.read(source.entries())), source.tables()
        assert source.strays() == ["notes.txt"]
    assert np.array_equal(np.stack(read), np.stack(expected[0]))
    assert tables == expected[1]


def test_exchanged_labels_are_named_with_the_files_that_look_exchanged(pcam: Path) -> None:
    exchanged(pcam)
    with pytest.raises(InputError) as caught:
        read_all(pcam)
    message = str(caught.value)
    assert message.startswith("pcam-labels: 2 of 4 labels of the valid split, in ")
    assert "(counted from 0, row 0: the label is 1, center_tumor_patch is False; row 3: " in message
    both = f"{pcam / name('valid', 'y')}.h5 and {pcam / name('test', 'y')}.h5 look exchanged"
    assert both in message


@pytest.mark.parametrize(
    "words", [("True", "False"), ("1", "0"), ("1.0", "0.0"), ("TRUE", " false")]
)
def test_meta_rows_may_say_true_and_false_in_several_ways(
    pcam: Path, words: tuple[str, str]
) -> None:
    true, false = words
    meta(f"wsi,center_tumor_patch\na,{false}\na,{true}\na,{false}\na,{true}\n")(pcam)
    read_all(pcam)


def test_a_damaged_block_is_a_flaw_of_its_rows_alone(pcam: Path) -> None:
    path = pcam / f"{name('train', 'x')}.h5"
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), np.uint8)
    with h5py.File(path, "w") as file:
        shape = (2, 96, 96, 3)
        file.create_dataset("x", data=noise, chunks=shape, compression="gzip", fletcher32=True)
        offset = file["x"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 1000] ^= 0xFF
    path.write_bytes(content)
    source = PcamFiles.open(pcam)
    read = list(source.read(source.entries()[:8]))
    assert [isinstance(content, Flaw) for content in read] == [False] * 2 + [True] * 2 + [False] * 4


def group_of_its_name(folder: Path) -> None:
    with h5py.File(folder / f"{name('valid', 'x')}.h5", "w") as file:
        file.create_group("x")


def dangling(folder: Path) -> None:
    with h5py.File(folder / f"{name('valid', 'x')}.h5", "w") as file:
        file["x"] = h5py.SoftLink("/nowhere")


def truncate_packed(folder: Path) -> None:
    path = folder / f"{name('valid', 'x')}.h5"
    pack(path)
    packed = Path(f"{path}.gz")
    packed.write_bytes(packed.read_bytes()[:-1000])


def array(
    kind: str, shape: tuple[int, ...], *, key: str = "", dtype: type = np.uint8
) -> Callable[[Path], None]:
    """Put an array of zeros in the place of the validation split's images or labels."""

    def plant(folder: Path) -> None:
        write_array(folder / f"{name('valid', kind)}.h5", key or kind, np.zeros(shape, dtype))

    return plant


def meta(content: str) -> Callable[[Path], None]:
    """Put other rows in the place of the validation split's meta file."""

    def plant(folder: Path) -> None:
        (folder / f"{name('valid', 'meta')}.csv").write_text(content)

    return plant


def left_open(folder: Path) -> None:
    """A file as a process leaves it that was killed in writing: marked as open."""
    path = folder / f"{name('valid', 'x')}.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = np.zeros((4, 96, 96, 3), np.uint8)
        file.flush()
        content = path.read_bytes()
    path.write_bytes(content)


def exchanged(folder: Path) -> None:
    """Give the labels of two splits of one size to each other, as their MD5s once were."""
    for split, labels, rows in (("valid", [1, 1, 0, 0], 4), ("test", [0, 1, 0, 1], 4)):
        values = np.array(labels, np.uint8).reshape(-1, 1, 1, 1)
        write_array(folder / f"{name(split, 'y')}.h5", "y", values)
        write_array(folder / f"{name(split, 'x')}.h5", "x", np.zeros((rows, 96, 96, 3), np.uint8))
    for split, truths in (("valid", (0, 1, 0, 1)), ("test", (1, 1, 0, 0))):
        table = pd.DataFrame({"center_tumor_patch": np.array(truths, bool), "wsi": "a"})
        table.to_csv(folder / f"{name(split, 'meta')}.csv")


PCAM_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "images without labels": (
        lambda folder: (folder / f"{name('valid', 'y')}.h5").unlink(),
        "pcam-pairs",
    ),
    "a dataset of another name": (array("x", (4, 96, 96, 3), key="images"), "pcam-dataset"),
    "patches of 64 pixels": (array("x", (4, 64, 64, 3)), "pcam-shape"),
    "patches of floats": (array("x", (4, 96, 96, 3), dtype=np.float32), "pcam-dtype"),
    "fewer labels than images": (array("y", (3, 1, 1, 1)), "pcam-lengths"),
    "fewer meta rows than images": (meta("wsi\na\n"), "pcam-lengths"),
    "meta rows without slides": (meta("coord_x\n1\n"), "pcam-meta-columns"),
    "meta rows with a surplus cell": (meta("wsi\na,x\n"), "pcam-meta-cells"),
    "an empty meta file": (meta(""), "pcam-meta-cells"),
    "a group in the place of the dataset": (group_of_its_name, "pcam-dataset"),
    "a link that leads nowhere": (dangling, "pcam-dataset"),
    "a truncated .h5.gz": (truncate_packed, "pcam-whole"),
    "no HDF5 inside": (
        lambda folder: (folder / f"{name('test', 'x')}.h5").write_text("hello"),
        "pcam-format",
    ),
    "a truncated .h5": (
        lambda folder: os.truncate(folder / f"{name('test', 'x')}.h5", 20_000),
        "pcam-whole",
    ),
    "a file that was left open for writing": (left_open, "pcam-in-use"),
    "two files for the same images": (
        lambda folder: shutil.copyfile(
            folder / f"{name('valid', 'x')}.h5", folder / "validation_split.h5"
        ),
        "pcam-ambiguous",
    ),
    "labels of valid and test exchanged": (exchanged, "pcam-labels"),
    "a tumour in a patch that is said to have none": (
        meta("wsi,tumor_patch\na,False\na,False\na,False\na,True\n"),
        "pcam-labels",
    ),
    "a word for true that isn't known": (
        meta("wsi,center_tumor_patch\na,False\na,yes\na,False\na,True\n"),
        "pcam-meta-values",
    ),
}


@pytest.mark.parametrize("fault", PCAM_FAULTS)
def test_a_fault_of_the_files_is_refused_by_its_name(pcam: Path, fault: str) -> None:
    plant, finding = PCAM_FAULTS[fault]
    plant(pcam)
    with pytest.raises(InputError, match=f"^{finding}: "):
        read_all(pcam)


def read_all(folder: Path) -> None:
    with closing(PcamFiles.open(folder)) as source:
        source.entries()
        source.tables()
