"""Faults to plant in a source, each with the finding that must catch it.

`docs/faults.md` lists them; `test_faults` plants them one by one and checks that list.
"""

import gzip
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.images import FLAWED
from helpers.kaggle import add, edit, zipped
from helpers.patches import sha1, write_tif
from helpers.pcam import PCAM_FAULTS, name, write_array, write_pcam

LABELS, SUBMISSION, SLIDES = "train_labels.csv", "sample_submission.csv", "slides.csv"
BYTE_ORDER_MARK = "\ufeff"

# Takes the source folder of conftest.py; returns the source to read, if it is a different one.
Plant = Callable[[Path], Path | None]


@dataclass(frozen=True)
class Fault:
    """A fault, the finding that must catch it, and the params of the run."""

    where: str
    what: str
    finding: str
    plant: Plant
    is_warning: bool = False  # else it stops the run
    params: dict[str, Any] = field(default_factory=dict)


# Labels, slide map and sample submission: changes of their text


def text(file: str, change: Callable[[str], str], encoding: str = "utf-8") -> Plant:
    """Change the text of a table."""

    def plant(source: Path) -> None:
        path = source / file
        path.write_bytes(change(path.read_bytes().decode()).encode(encoding))

    return plant


def first_cell(file: str, column: int, change: Callable[[str], str]) -> Plant:
    """Change one cell of the first row."""

    def apply(content: str) -> str:
        header, first, *rest = content.splitlines()
        cells = first.split(",")
        cells[column] = change(cells[column])
        return "\n".join([header, ",".join(cells), *rest, ""])

    return text(file, apply)


def again(file: str, change: Callable[[str], str] = str) -> Plant:
    """Append a changed copy of the first row."""
    return text(file, lambda content: content + change(content.splitlines()[1]) + "\n")


def relabelled(label: str) -> Callable[[str], str]:
    """Return a function that gives a row of the label table another label."""
    return lambda row: row.split(",")[0] + "," + label


def without_last(content: str) -> str:
    """Leave out the last row."""
    return "".join(content.splitlines(keepends=True)[:-1])


# Images: other content in the first file of a pool, or another patch with id and label


def first(source: Path, pool: str = "train") -> Path:
    """Return the first image of a pool."""
    return min((source / pool).iterdir())


def content(value: bytes, pool: str = "train") -> Plant:
    """Replace the bytes of the first image."""

    def plant(source: Path) -> None:
        first(source, pool).write_bytes(value)

    return plant


def changed(change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Plant:
    """Change the pixels of a patch but keep its name."""

    def plant(source: Path) -> None:
        path = first(source)
        patch = cv2.cvtColor(np.asarray(cv2.imread(str(path))), cv2.COLOR_BGR2RGB)
        write_tif(path, np.ascontiguousarray(change(np.asarray(patch, np.uint8))))

    return plant


def one_pixel(patch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change one value of one pixel by one."""
    patch[5, 5, 0] ^= 1
    return patch


def blank(value: int, spread: int) -> Plant:
    """Replace a patch by one of nearly a single value, with the correct id."""

    def plant(source: Path) -> None:
        random = np.random.default_rng(4)
        patch = random.integers(value - spread, value + spread + 1, (96, 96, 3)).astype(np.uint8)
        path, id_ = first(source), sha1(patch)
        for file in (LABELS, SLIDES):
            text(file, lambda content: content.replace(path.stem, id_))(source)
        path.unlink()
        write_tif(path.with_stem(id_), patch)

    return plant


def copied(index: int) -> Plant:
    """Give the patch of the label table's first row (label 1) to another row."""

    def plant(source: Path) -> None:
        ids = pd.read_csv(source / LABELS)["id"]
        train = source / "train"
        (train / f"{ids[index]}.tif").write_bytes((train / f"{ids[0]}.tif").read_bytes())

    return plant


def tested(source: Path) -> None:
    """Copy a labelled patch to the unlabelled ones, with its own id."""
    path = first(source)
    (source / "test" / "copy.tif").write_bytes(path.read_bytes())
    again(SUBMISSION, lambda _: "copy,0")(source)


def overlapping(pool: str, slide: str) -> Plant:
    """Add two patches that were cut from one place, the second to a pool and on a slide."""

    def plant(source: Path) -> None:
        area = np.random.default_rng(6).integers(0, 256, (96, 128, 3), np.uint8)
        for start, folder, on in ((0, "train", "s0"), (32, pool, slide)):
            patch = np.ascontiguousarray(area[:, start : start + 96])
            write_tif(source / folder / f"{sha1(patch)}.tif", patch)
            rows = {SUBMISSION: "0"} if folder == "test" else {LABELS: "1", SLIDES: on}
            for file, cell in rows.items():
                path = source / file
                path.write_text(path.read_text() + f"{sha1(patch)},{cell}\n")

    return plant


def covered(source: Path) -> None:
    """Add three patches that were cut side by side; those without tumour cover the middle one."""
    area = np.random.default_rng(7).integers(0, 256, (96, 128, 3), np.uint8)
    for start, label in ((0, 0), (16, 1), (32, 0)):
        patch = np.ascontiguousarray(area[:, start : start + 96])
        write_tif(source / "train" / f"{sha1(patch)}.tif", patch)
        for file, cell in ((LABELS, str(label)), (SLIDES, "s0")):
            path = source / file
            path.write_text(path.read_text() + f"{sha1(patch)},{cell}\n")


def asked_again(source: Path) -> None:
    """Request a prediction for a patch that has a label."""
    path = first(source)
    (source / "test" / path.name).write_bytes(path.read_bytes())
    again(SUBMISSION, lambda _: f"{path.stem},0")(source)


def with_column(name: str, value: Callable[[int], str]) -> Plant:
    """Add a column to the slide map; `value` takes the row number."""

    def apply(content: str) -> str:
        header, *rows = content.splitlines()
        cells = [f"{row},{value(number)}" for number, row in enumerate(rows)]
        return "\n".join([f"{header},{name}", *cells, ""])

    return text(SLIDES, apply)


def numbered(form: str) -> Plant:
    """Write every slide's name in another form, which may hold `slide` and `row`."""

    def apply(content: str) -> str:
        header, *rows = content.splitlines()
        cells = (row.split(",") for row in rows)
        named = [f"{id_},{form.format(slide=s, row=row)}" for row, (id_, s) in enumerate(cells)]
        return "\n".join([header, *named, ""])

    return text(SLIDES, apply)


def second_map(change: Callable[[str], str]) -> Plant:
    """Add a changed copy of the slide map under its published name."""

    def plant(source: Path) -> None:
        (source / "patch_id_wsi_full.csv").write_text(change((source / SLIDES).read_text()))

    return plant


def linked_out(source: Path) -> None:
    """Move the first image out of the source and leave a link to it."""
    path = first(source)
    path.symlink_to(path.rename(source.parent / "outside.tif"))


def folder_of_its_name(source: Path) -> None:
    """Replace the first image by a folder."""
    path = first(source)
    path.unlink()
    path.mkdir()


def missing(pool: str) -> Plant:
    """Remove the first image."""
    return lambda source: first(source, pool).unlink()


def too_large(source: Path) -> None:
    """Enlarge the first image's file to 100 MB."""
    with first(source).open("ab") as file:
        file.truncate(100 * 10**6)


def stray(path: str) -> Plant:
    """Add a file that no layout knows."""
    return lambda source: (source / path).touch()


# Other layouts


def two_tables(source: Path) -> None:
    """Add a packed label table with other content beside the plain one."""
    (source / f"{LABELS}.gz").write_bytes(gzip.compress(b"id,label\nx,1\n"))


def cut_table(source: Path) -> None:
    """Pack the label table and truncate it."""
    path = source / LABELS
    path.with_name(f"{LABELS}.gz").write_bytes(gzip.compress(path.read_bytes())[:-20])
    path.unlink()


def wrong_folder(source: Path) -> None:
    """Move the patch of the label table's first row (label 1) to the folder of label 0."""
    id_ = pd.read_csv(source / LABELS)["id"][0]
    (source / "train" / "0").mkdir()
    (source / "train" / f"{id_}.tif").rename(source / "train" / "0" / f"{id_}.tif")


def as_bmp(source: Path) -> None:
    """Give all labelled images an unsupported extension."""
    for path in list((source / "train").iterdir()):
        path.rename(path.with_suffix(".bmp"))


# Zips


def in_zip(change: Callable[[Path, str], Any]) -> Plant:
    """Pack the source as a zip; `change` takes the zip and the name of its first image."""

    def plant(source: Path) -> Path:
        member = f"train/{first(source).name}"
        path = zipped(source, source.parent / "kaggle.zip")
        change(path, member)
        return path

    return plant


def cut(path: Path, _: str) -> None:
    """Truncate a zip."""
    path.write_bytes(path.read_bytes()[:-1000])


def damaged(path: Path, member: str) -> None:
    """Overwrite 100 bytes in a member with zeros."""
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(member).header_offset + 500
    bytes_ = bytearray(path.read_bytes())
    bytes_[start : start + 100] = bytes(100)
    path.write_bytes(bytes_)


# PatchCamelyon's HDF5 files


def in_pcam(change: Callable[[Path], Any]) -> Plant:
    """Write PatchCamelyon's files instead of the source; `change` takes their folder."""

    def plant(source: Path) -> Path:
        folder = source.parent / "pcam"
        write_pcam(folder)
        change(folder)
        return folder

    return plant


def label_2(folder: Path) -> None:
    """Give a patch of the validation split the label 2."""
    labels = np.array([0, 1, 2, 1], np.uint8).reshape(-1, 1, 1, 1)
    write_array(folder / f"{name('valid', 'y')}.h5", "y", labels)


ANY = {"ids": "any"}
WARNED: dict[str, Any] = {"is_warning": True}  # Any, since mypy can't tell which keys it has

FAULTS = [
    Fault(
        "labels",
        "no column label",
        "labels-columns",
        text(LABELS, lambda t: "".join(f"{row.split(',')[0]}\n" for row in t.splitlines())),
    ),
    Fault(
        "labels",
        "a third column",
        "labels-columns",
        text(LABELS, lambda t: t.replace("\n", ",x\n")),
    ),
    Fault(
        "labels",
        "a column with the wrong name",
        "labels-columns",
        text(LABELS, lambda t: t.replace("label", "target")),
    ),
    Fault(
        "labels",
        "no header",
        "labels-columns",
        text(LABELS, lambda t: t.removeprefix("id,label\n")),
    ),
    Fault(
        "labels",
        "semicolons as separators",
        "labels-cells",
        text(LABELS, lambda t: t.replace(",", ";")),
    ),
    Fault(
        "labels",
        "a row with an extra cell",
        "labels-cells",
        first_cell(LABELS, 1, lambda cell: cell + ",x"),
    ),
    Fault(
        "labels",
        "a row without a second cell",
        "labels-cells",
        text(LABELS, lambda t: t.replace(",1\n", "\n", 1)),
    ),
    Fault(
        "labels",
        "an unclosed quotation mark",
        "labels-cells",
        first_cell(LABELS, 0, lambda cell: '"' + cell),
    ),
    Fault(
        "labels",
        "a column named twice",
        "labels-cells",
        text(LABELS, lambda t: t.replace("id,label", "id,id")),
    ),
    Fault("labels", "an empty file", "labels-cells", text(LABELS, lambda _: "")),
    Fault(
        "labels",
        "a byte-order mark",
        "labels-byte-order-mark",
        text(LABELS, lambda t: BYTE_ORDER_MARK + t),
        **WARNED,
    ),
    Fault(
        "labels",
        "Windows line endings",
        "labels-line-ends",
        text(LABELS, lambda t: t.replace("\n", "\r\n")),
        **WARNED,
    ),
    Fault(
        "labels",
        "cells in quotation marks",
        "labels-quotes",
        first_cell(LABELS, 0, lambda cell: f'"{cell}"'),
        **WARNED,
    ),
    Fault(
        "labels",
        "blank lines",
        "labels-blank-lines",
        text(LABELS, lambda t: t.replace("\n", "\n\n")),
        **WARNED,
    ),
    Fault("labels", "Latin-1", "labels-encoding", text(LABELS, lambda t: t + "ä,1\n", "latin-1")),
    Fault("labels", "UTF-16", "labels-encoding", text(LABELS, str, "utf-16")),
    Fault(
        "labels", "only a header", "labels-rows", text(LABELS, lambda t: t.splitlines()[0] + "\n")
    ),
    Fault(
        "labels",
        "one row too few",
        "labels-row-count",
        text(LABELS, without_last),
        params={"num_labels": 20},
    ),
    Fault("labels", "a repeated id with the same label", "labels-id-unique", again(LABELS)),
    Fault(
        "labels",
        "a repeated id with a different label",
        "labels-id-agrees",
        again(LABELS, relabelled("0")),
    ),
    Fault("labels", "a label 2", "labels-value", first_cell(LABELS, 1, lambda _: "2")),
    Fault("labels", "a label -1", "labels-value", first_cell(LABELS, 1, lambda _: "-1")),
    Fault("labels", "a label 1.0", "labels-value", first_cell(LABELS, 1, lambda _: "1.0")),
    Fault(
        "labels",
        "a space before the label",
        "labels-value",
        first_cell(LABELS, 1, lambda cell: " " + cell),
    ),
    Fault("labels", "an empty label", "labels-value", first_cell(LABELS, 1, lambda _: "")),
    Fault(
        "labels",
        "a label that is a word",
        "labels-value",
        first_cell(LABELS, 1, lambda _: "tumour"),
    ),
    Fault("labels", "an id in upper case", "labels-id-form", first_cell(LABELS, 0, str.upper)),
    Fault(
        "labels",
        "an id with the extension .tif",
        "labels-id-form",
        first_cell(LABELS, 0, lambda id_: id_ + ".tif"),
        params=ANY,
    ),
    Fault(
        "labels",
        "spaces around an id",
        "labels-id-form",
        first_cell(LABELS, 0, lambda id_: f" {id_} "),
        params=ANY,
    ),
    Fault(
        "labels",
        "an id that is too short",
        "labels-id-form",
        first_cell(LABELS, 0, lambda id_: id_[:-1]),
    ),
    Fault(
        "labels",
        "an id with a path out of the folder",
        "labels-id-form",
        first_cell(LABELS, 0, lambda _: "../../x"),
        params=ANY,
    ),
    Fault(
        "labels", "an empty id", "labels-id-form", first_cell(LABELS, 0, lambda _: ""), params=ANY
    ),
    Fault(
        "labels",
        "only negative labels",
        "labels-positive-share",
        text(LABELS, lambda t: t.replace(",1\n", ",0\n")),
    ),
    Fault(
        "labels",
        "90 % positive labels",
        "labels-positive-share",
        text(LABELS, lambda t: t.replace(",0\n", ",1\n", 8)),
    ),
    Fault("labels", "a label without an image", "labelled-images-whole", missing("train")),
    Fault("labels", "two different label tables", "table-twice", two_tables),
    Fault("labels", "a truncated packed table", "table-packed", cut_table),
    Fault("labels", "a class folder that contradicts a label", "labels-folders", wrong_folder),
    Fault("labels", "images with an unsupported extension", "labelled-images-whole", as_bmp),
    Fault(
        "labels",
        "1 of 20 labels without an image, if 5 % may lack it",
        "labelled-image-present",
        missing("train"),
        params={"max_missing_share": 0.05},
        **WARNED,
    ),
    Fault(
        "labels",
        "an image without a label",
        "labelled-image-listed",
        text(LABELS, without_last),
        **WARNED,
    ),
    *(
        Fault("images", what, f"labelled-image-{flaw}", content(bytes_))
        for what, (bytes_, flaw, _) in FLAWED.items()
    ),
    Fault(
        "images",
        "red and blue exchanged",
        "labelled-channels-in-order",
        changed(lambda patch: patch[:, :, ::-1]),
    ),
    Fault("images", "one pixel changed by one", "labelled-id-is-hash", changed(one_pixel)),
    Fault("images", "a patch rotated by 90 degrees", "labelled-id-is-hash", changed(np.rot90)),
    Fault("images", "a black patch", "labelled-patch-black", blank(2, 2), **WARNED),
    Fault("images", "a nearly white patch", "labelled-patch-white", blank(245, 10), **WARNED),
    Fault("images", "a nearly flat patch", "labelled-patch-flat", blank(128, 3), **WARNED),
    Fault(
        "images",
        "the same pixels with the same label",
        "labelled-pixels-once",
        copied(2),
        params=ANY,
        **WARNED,
    ),
    Fault(
        "images",
        "the same pixels with different labels",
        "labelled-pixels-agree",
        copied(1),
        params=ANY,
    ),
    Fault(
        "images",
        "the pixels of an unlabelled patch",
        "pools-pixels-apart",
        tested,
        params=ANY,
        **WARNED,
    ),
    Fault(
        "images",
        "an unlabelled patch that overlaps a labelled one",
        "pools-overlap-apart",
        overlapping("test", ""),
        **WARNED,
    ),
    Fault(
        "slide map",
        "two patches that overlap, on two slides",
        "labelled-overlap-slides",
        overlapping("train", "s1"),
        **WARNED,
    ),
    Fault(
        "labels",
        "a patch with tumour in its centre, which patches without cover",
        "labelled-overlap-labels",
        covered,
        **WARNED,
    ),
    Fault(
        "images", "a symbolic link out of the folder", "labelled-image-inside", linked_out, **WARNED
    ),
    Fault("images", "a folder named ID.tif", "labelled-image-readable", folder_of_its_name),
    Fault("images", "a file of 100 MB", "labelled-image-bytes", too_large),
    Fault("images", "an unexpected file", "source-strays", stray("train/notes.txt"), **WARNED),
    Fault("images", "a system file", "source-strays", stray("test/.DS_Store"), **WARNED),
    Fault(
        "images",
        "1 of 4 unlabelled images missing, if 25 % may be",
        "unlabelled-image-present",
        missing("test"),
        params={"max_missing_unlabelled_share": 0.25},
        **WARNED,
    ),
    Fault("images", "1 of 4 unlabelled images missing", "unlabelled-images-whole", missing("test")),
    Fault(
        "images",
        "a truncated unlabelled image",
        "unlabelled-image-decodable",
        content(FLAWED["cut at 50 %"][0], "test"),
        **WARNED,
    ),
    Fault(
        "images",
        "an unlabelled image with another's pixels",
        "unlabelled-id-is-hash",
        lambda source: content(first(source).read_bytes(), "test")(source),
        **WARNED,
    ),
    Fault("zip", "a truncated zip", "zip-whole", in_zip(cut)),
    Fault(
        "zip",
        "a member with an absolute path",
        "zip-members-inside",
        in_zip(lambda path, _: add(path, "/etc/x.tif")),
    ),
    Fault(
        "zip",
        "a member with ..",
        "zip-members-inside",
        in_zip(lambda path, _: add(path, "../x.tif")),
    ),
    Fault(
        "zip",
        "an encrypted member",
        "labelled-image-encrypted",
        in_zip(lambda path, member: edit(path, member, flag_bits=1)),
    ),
    Fault(
        "zip",
        "a member that claims 100 GB",
        "labelled-image-bytes",
        in_zip(lambda path, member: edit(path, member, file_size=100 * 10**9)),
    ),
    Fault(
        "zip",
        "a table that claims 100 GB",
        "zip-table-bytes",
        in_zip(lambda path, _: edit(path, LABELS, file_size=100 * 10**9)),
    ),
    Fault("zip", "a damaged member", "labelled-image-readable", in_zip(damaged)),
    Fault(
        "zip",
        "a repeated member name",
        "labelled-image-repeated",
        in_zip(add),
    ),
    Fault(
        "zip",
        "a repeated label table",
        "zip-table-repeated",
        in_zip(lambda path, _: add(path, LABELS, b"id,label\n")),
    ),
    Fault(
        "zip",
        "label tables in two folders",
        "zip-tops",
        in_zip(lambda path, _: add(path, "old/train_labels.csv", b"id,label\n")),
    ),
    Fault(
        "zip",
        "__MACOSX",
        "source-strays",
        in_zip(lambda path, _: add(path, "__MACOSX/train/._x.tif")),
        **WARNED,
    ),
    Fault(
        "zip",
        ".DS_Store",
        "source-strays",
        in_zip(lambda path, _: add(path, "train/.DS_Store")),
        **WARNED,
    ),
    *(
        Fault("HDF5", what, finding, in_pcam(change))
        for what, (change, finding) in PCAM_FAULTS.items()
    ),
    Fault("HDF5", "a label 2", "labels-value", in_pcam(label_2), params=ANY),
    Fault(
        "slide map",
        "no column id",
        "slides-column-id",
        text(SLIDES, lambda t: t.replace("id,", "number,")),
    ),
    Fault(
        "slide map",
        "no column slide, wsi or patient",
        "slides-column-slide",
        text(SLIDES, lambda t: t.replace("slide", "scanner", 1)),
    ),
    Fault(
        "slide map",
        "a row with an extra cell",
        "slides-cells",
        first_cell(SLIDES, 1, lambda cell: cell + ",x"),
    ),
    Fault(
        "slide map",
        "tabs as separators",
        "slides-cells",
        text(SLIDES, lambda t: t.replace(",", "\t")),
    ),
    Fault(
        "slide map",
        "Latin-1",
        "slides-encoding",
        text(SLIDES, lambda t: t + "x,Präparat\n", "latin-1"),
    ),
    Fault(
        "slide map",
        "a patch on two slides",
        "slides-id-unique",
        again(SLIDES, lambda row: row + "b"),
    ),
    Fault(
        "slide map",
        "a row without a slide",
        "slides-name",
        first_cell(SLIDES, 1, lambda _: ""),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a row for an unknown patch",
        "slides-id-known",
        again(SLIDES, lambda _: f"{'0' * 40},s1"),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a patch without a row",
        "slides-for-labels",
        text(SLIDES, without_last),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a repeated patch with the same slide",
        "slides-id-once",
        again(SLIDES),
        **WARNED,
    ),
    Fault(
        "slide map",
        "ids as file paths in upper case",
        "slides-id-spelling",
        text(SLIDES, lambda t: re.sub(r"(?m)^(\w{40})", lambda m: f"train/{m[1].upper()}.TIF", t)),
        **WARNED,
    ),
    Fault(
        "slide map",
        "ids of other patches",
        "slides-joined",
        text(SLIDES, lambda t: re.sub(r"(?m)^(\w{39})\w", r"\1x", t)),
    ),
    Fault(
        "slide map",
        "a word for 'unknown' instead of a slide",
        "slides-words",
        text(SLIDES, lambda t: t.replace("s1\n", "Unknown\n")),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a slide name in upper case with .tif",
        "slides-spelling",
        first_cell(SLIDES, 1, lambda cell: cell.upper() + ".tif"),
        **WARNED,
    ),
    Fault(
        "slide map",
        "slide names that differ only in punctuation",
        "slides-alike",
        first_cell(SLIDES, 1, lambda _: "s-0"),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a slide name of a different form",
        "slides-odd",
        text(SLIDES, lambda t: t.replace("s1\n", "other place 1\n")),
        **WARNED,
    ),
    Fault(
        "slide map",
        "another word than all names instead of a slide",
        "slides-words",
        text(SLIDES, lambda t: t.replace("s1\n", "excluded\n")),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a patch's id instead of its slide",
        "slides-own-patch",
        text(SLIDES, lambda t: re.sub(r"(\w{40}),s1\n", r"\1,\1.tif\n", t)),
        **WARNED,
    ),
    Fault(
        "slide map",
        "slide names with the position of the patch",
        "slides-one-per-patch",
        numbered("{slide}_x{row}_y7"),
    ),
    Fault(
        "slide map",
        "files of the same name in the folder of each slide",
        "slides-folders",
        numbered("/mnt/{slide}/slide.svs"),
    ),
    Fault(
        "slide map",
        "patients in an unread column",
        "slides-columns-read",
        with_column("patient barcode 2", lambda row: f"p{row % 5}"),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a slide with two patients",
        "slides-one-patient",
        with_column("patient", lambda row: f"p{row % 5}"),
    ),
    Fault(
        "slide map",
        "Camelyon17's slide names without a column patient",
        "patients-column",
        text(SLIDES, lambda t: re.sub(r"(?m),s(\d)$", r",patient_01\1_node_2", t)),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a slide in two official splits",
        "slides-one-split",
        with_column("split", lambda row: ("train", "test")[row % 2]),
        **WARNED,
    ),
    Fault(
        "slide map",
        "positive patches on a slide named normal",
        "slides-normal",
        text(SLIDES, lambda t: t.replace(",s1\n", ",normal_001\n")),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a slide named test in the training split",
        "slides-split-named",
        lambda source: (
            text(SLIDES, lambda t: t.replace(",s1\n", ",test_001\n"))(source)
            or with_column("split", lambda _: "train")(source)
        ),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a patient that contradicts the slide's name",
        "slides-patient-named",
        lambda source: (
            text(SLIDES, lambda t: t.replace(",s1\n", ",patient_017_node_1\n"))(source)
            or with_column("patient", lambda row: f"patient_{row // 2:03d}")(source)
        ),
        **WARNED,
    ),
    Fault(
        "slide map",
        "a label that contradicts the label table",
        "slides-label-agrees",
        with_column("center_tumor_patch", lambda _: "1"),
    ),
    Fault(
        "slide map",
        "a second map that contradicts the first",
        "slides-maps-agree",
        second_map(lambda t: t.replace(",s1\n", ",s2\n")),
    ),
    Fault(
        "slide map",
        "a second map without the column id",
        "slides-maps-readable",
        second_map(lambda t: t.replace("id,", "name,", 1)),
        **WARNED,
    ),
    Fault(
        "slide map",
        "an unknown split name",
        "slides-split",
        text(SLIDES, lambda t: t.replace("\n", ",holdout\n").replace("holdout", "split", 1)),
    ),
    Fault(
        "sample submission",
        "a column with the wrong name",
        "submission-columns",
        text(SUBMISSION, lambda t: t.replace("label", "target")),
    ),
    Fault("sample submission", "an id with a label", "pools-ids-apart", asked_again),
    Fault("sample submission", "a repeated id", "submission-id-unique", again(SUBMISSION)),
    Fault(
        "sample submission",
        "an id in upper case",
        "submission-id-form",
        first_cell(SUBMISSION, 0, str.upper),
    ),
    Fault("sample submission", "UTF-16", "submission-encoding", text(SUBMISSION, str, "utf-16")),
    Fault(
        "sample submission",
        "a row without a second cell",
        "submission-cells",
        text(SUBMISSION, lambda t: t.replace(",0\n", "\n", 1)),
    ),
    Fault(
        "sample submission",
        "an unlabelled image without a row",
        "unlabelled-image-listed",
        text(SUBMISSION, without_last),
        **WARNED,
    ),
    Fault(
        "sample submission",
        "no unlabelled images",
        "unlabelled-images-there",
        lambda source: shutil.rmtree(source / "test"),
        **WARNED,
    ),
    Fault(
        "sample submission",
        "unlabelled images but no sample submission",
        "unlabelled-submission-there",
        lambda source: (source / SUBMISSION).unlink(),
        **WARNED,
    ),
]


def table() -> str:
    """Return the faults as the table of docs/faults.md."""
    rows = [
        f"| {fault.where} | {fault.what} | `{fault.finding}` | "
        f"{'warns' if fault.is_warning else 'stops'} |"
        for fault in FAULTS
    ]
    return "\n".join(["| where | fault | finding | what follows |", "|---|---|---|---|", *rows])
