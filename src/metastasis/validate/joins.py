"""Joins the tables with the inventory into tables for the gate's rules.

Text columns hold the finding, or are empty if there is nothing wrong.
"""

import hashlib

import numpy as np
import pandas as pd

from metastasis.formats.images import FLAWS
from metastasis.patches.shards import Patches


def counted(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the labels with `positive`, the label as a number, and the id's number of labels."""
    return labels.assign(
        positive=pd.to_numeric(labels["label"], errors="coerce"),
        num_labels=labels.groupby("id")["label"].transform("nunique"),
    )


def joined(table: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each id of either side.

    `without_image` and `without_row` are text columns; `is_missing` is 1 or 0 for an id of the
    table, and missing for other ids.
    """
    ids = table[["id"]].drop_duplicates()
    both = ids.merge(images[["id"]].drop_duplicates(), on="id", how="outer", indicator=True)
    side = both["_merge"]
    return pd.DataFrame(
        {
            "id": both["id"],
            "without_image": np.where(side == "left_only", "no image", ""),
            "without_row": np.where(side == "right_only", "no row", ""),
            "is_missing": np.select([side == "both", side == "left_only"], [0.0, 1.0], np.nan),
        }
    )


def left_out(labels: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    """Return the ids of the labels; text column `left_out` has the reasons (id, reason), if any."""
    ids = labels[["id"]].drop_duplicates(ignore_index=True)
    found = dict(zip(reasons["id"], reasons["reason"], strict=True))
    return ids.assign(left_out=[found.get(id_, "") for id_ in ids["id"]])


def without_label(reasons: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the ids of the user's list; text column `unknown` for those that have no label."""
    is_known = reasons["id"].isin(labels["id"])
    return reasons[["id"]].assign(unknown=np.where(is_known, "", "no label"))


def unlabelled_pool(inventory: pd.DataFrame, submission: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row that says whether only the submission or only unlabelled images exist."""
    num_images = int((inventory["pool"] == "unlabelled").sum())
    num_asked = 0 if submission is None else len(submission)
    images = f"{num_asked:,} ids but no image" if num_asked and not num_images else ""
    asked = f"{num_images:,} images but no table" if num_images and submission is None else ""
    return pd.DataFrame({"images": [images], "submission": [asked]})


def apart(submission: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the ids of the sample submission; text column `labelled` for those with a label."""
    ids = submission[["id"]].drop_duplicates(ignore_index=True)
    both = ids.merge(labels.drop_duplicates("id"), on="id", how="left")
    return ids.assign(labelled=("label " + both["label"]).fillna(""))


def overlaps(pairs: pd.DataFrame, slides: pd.DataFrame) -> pd.DataFrame:
    """Return the labelled patches that overlap another (columns of `shards.OVERLAP_COLUMNS`).

    The column `id` names the patch. Text columns: `unlabelled` where the other has no label,
    `other_slide` where the slide map puts the two on different slides.
    """
    is_labelled = (pairs[["pool", "other_pool"]] == "labelled").any(axis=1)
    found = pairs[is_labelled].reset_index(drop=True)  # of two pools, the labelled one comes first
    slide = slides.drop_duplicates("id").set_index("id")["slide"]
    first, second = (found[name].map(slide).fillna("") for name in ("id", "other_id"))
    is_other = (first != "") & (second != "") & (first != second)
    is_unlabelled = found["other_pool"] == "unlabelled"
    text = "overlaps " + found["other_id"]
    on_slides = "slide " + first + ", " + text + " of slide " + second
    return pd.DataFrame(
        {
            "id": found["id"],
            "unlabelled": text.where(is_unlabelled, ""),
            "other_slide": on_slides.where(is_other & ~is_unlabelled, ""),
        }
    )


def regions(placed: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the labelled patches of regions (`shards.REGION_COLUMNS`) with label 0 or 1."""
    known = labels[labels["label"].isin(["0", "1"])].drop_duplicates("id")
    labelled = placed[placed["pool"] == "labelled"].merge(known[["id", "label"]], on="id")
    return labelled.astype({"label": np.int64})


def flaws(images: pd.DataFrame) -> pd.DataFrame:
    """Return id, a text column for each of `images.FLAWS`, and `link`, for the inventory's rows."""
    columns = {flaw: images["found"].where(images["flaw"] == flaw, "") for flaw in FLAWS}
    link = images["name"].where(images["is_link_out"], "")
    return pd.DataFrame({"id": images["id"], **columns, "link": link})


def channel_order(images: pd.DataFrame, patches: Patches) -> list[str]:
    """Return the channel order of each row of the inventory if it is BGR, else an empty text.

    It is BGR if the id is the hash of the pixels with red and blue exchanged.
    """
    orders = []
    columns = (images[name] for name in ("id", "sha1", "shard", "row"))
    for id_, sha1, shard, row in zip(*columns, strict=True):
        is_swapped = id_ != sha1 and id_ == _swapped_sha1(patches, shard, row)
        orders.append("blue, green, red" if is_swapped else "")
    return orders


def _swapped_sha1(patches: Patches, shard: int, row: int) -> str:
    swapped = np.ascontiguousarray(patches.maps[shard][row][:, :, ::-1])
    return hashlib.sha1(swapped.data, usedforsecurity=False).hexdigest()


def copies(labels: pd.DataFrame, inventory: pd.DataFrame) -> pd.DataFrame:
    """Return the usable labelled images with text columns about pixels that occur elsewhere.

    `repeats` names the first image with the same pixels; `contradicts` names the label and the
    first image if the labels differ; `is_unlabelled` says that an unlabelled patch has the same
    pixels.
    """
    usable = inventory[inventory["flaw"] == ""]
    table = usable[usable["pool"] == "labelled"].merge(labels, on="id")
    groups = table.groupby("sha1")
    first = groups["id"].transform("min")
    is_copy = first != table["id"]
    is_disputed = groups["label"].transform("nunique") > 1
    asked = usable.loc[usable["pool"] == "unlabelled", "sha1"]
    is_asked = table["sha1"].isin(asked)
    return table.assign(
        repeats=np.where(is_copy, "pixels of " + first, ""),
        contradicts=np.where(is_disputed, "label " + table["label"] + ", pixels of " + first, ""),
        is_unlabelled=np.where(is_asked, "pixels of an unlabelled patch", ""),
    )
