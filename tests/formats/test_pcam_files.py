"""Tests of `formats.pcam_files`: PatchCamelyon's arrays come in with their slides and splits."""

from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pytest

from helpers.pcam import PCAM_FAULTS, SIZES, exchanged, meta, name, pack, write_array, write_pcam
from metastasis.base.errors import InputError
from metastasis.formats.pcam_files import PcamFiles
from metastasis.formats.sources import Flaw


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
        read = np.stack([np.asarray(patch) for patch in source.read(entries)])
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
    everything = list(map(np.asarray, source.read(entries)))
    some = list(map(np.asarray, source.read(entries[5:11])))
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
    assert np.array_equal(np.asarray(read), np.asarray(expected[0]))
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
