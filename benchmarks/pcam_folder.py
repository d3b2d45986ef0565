"""Convert a zip of PatchCamelyon's patches as JPEGs to a folder in Kaggle's layout.

The zip holds SPLIT/LABEL/NAME.jpg, with train and valid for SPLIT. The patches become TIFFs named
by split and name, so that exact copies keep separate ids (validate.ids: any). The slide map has
their official splits, but no slides.

Usage: python benchmarks/pcam_folder.py ZIP FOLDER
"""

import argparse
import zipfile
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

UNCOMPRESSED = (cv2.IMWRITE_TIFF_COMPRESSION, 1)  # as in Kaggle's data


def write(archive: zipfile.ZipFile, folder: Path) -> pd.DataFrame:
    """Write the images; return id, label and split of each."""
    (folder / "train").mkdir(parents=True)
    rows = []
    for member in tqdm(sorted(archive.namelist()), unit=" images"):
        path = PurePosixPath(member)
        if path.suffix == ".jpg":
            split, label, _ = path.parts
            id_ = f"{split}_{path.stem}"
            content = np.frombuffer(archive.read(member), np.uint8)
            image = cv2.imdecode(content, cv2.IMREAD_COLOR)
            if image is None:
                raise ValueError(f"{member} can't be decoded")
            if not cv2.imwrite(str(folder / "train" / f"{id_}.tif"), image, UNCOMPRESSED):
                raise OSError(f"{id_}.tif could not be written to {folder}")
            rows.append((id_, label, split))
    return pd.DataFrame(rows, columns=["id", "label", "split"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zip", type=zipfile.ZipFile)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    table = write(arguments.zip, arguments.folder)
    table[["id", "label"]].to_csv(arguments.folder / "train_labels.csv", index=False)
    slides = table[["id", "split"]].assign(slide="")
    slides[["id", "slide", "split"]].to_csv(arguments.folder / "slides.csv", index=False)
    print(f"{len(table):,} patches; validate them with validate.ids: any")


if __name__ == "__main__":
    main()
