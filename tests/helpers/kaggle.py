"""Variants of Kaggle's layout: a zip, a zip with false claims, class folders."""

import zipfile
from pathlib import Path

import pandas as pd


def zipped(source: Path, path: Path, top: str = "") -> Path:
    """Write the folder `source` as a zip with its files below `top`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(source.rglob("*"), reverse=True):
            archive.write(file, f"{top}{file.relative_to(source)}")
    return path


def add(path: Path, name: str, content: bytes = b"") -> None:
    """Add a member to a zip, also under a name that it already has."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)


def edit(path: Path, name: str, **changes: int) -> None:
    """Change the entry of a member in the zip's directory."""
    with zipfile.ZipFile(path, "a") as archive:
        for key, value in changes.items():
            setattr(archive.getinfo(name), key, value)
        archive.mkdir("touched")  # so that the directory is rewritten


def by_class(source: Path) -> None:
    """Move each image into the folder of its label."""
    labels = pd.read_csv(source / "train_labels.csv", dtype="str")
    for id_, label in zip(labels["id"], labels["label"], strict=True):
        (source / "train" / label).mkdir(exist_ok=True)
        (source / "train" / f"{id_}.tif").rename(source / "train" / label / f"{id_}.tif")
