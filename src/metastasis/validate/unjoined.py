"""Explains why few or no labels and images join, with examples of both sides.

`validating` decides whether that stops the run.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable

import pandas as pd

NUM_EXAMPLES = 3
NUM_ENDINGS = 3
SUFFIX = re.compile(r"\.(tiff?|png|jpe?g)$", re.IGNORECASE)


def _without_ending(id_: str) -> str:
    return SUFFIX.sub("", id_)


def _without_folders(id_: str) -> str:
    return id_.replace("\\", "/").rpartition("/")[2]


def _hash(id_: str) -> str:
    found = re.search(r"[0-9a-f]{40}", id_.lower())
    return found[0] if found else id_


# Usual differences between ids of two sides, and the functions that remove them.
WAYS: dict[str, Callable[[str], str]] = {
    "in lower case": str.lower,
    "without the file extension": _without_ending,
    "without folders": _without_folders,
    "without folders and extensions": lambda id_: _without_ending(_without_folders(id_)),
    "without surrounding spaces": str.strip,
    "without leading zeros": lambda id_: id_.lstrip("0") or "0",
    "by the hash in them": _hash,
}


def explain(labels: pd.DataFrame, inventory: pd.DataFrame, strays: pd.DataFrame) -> str:
    """Return how many labels have an image, examples of ids, and the files that weren't read."""
    named = set(labels["id"])
    images = inventory.loc[inventory["pool"] == "labelled", "id"]
    both = named & set(images)
    parts = [f"{len(both):,} of {len(named):,} ids in the label table are names of images."]
    if len(images):
        others = sorted(set(images) - named)
        parts.append(
            f"Without an image: {_examples(named - set(images))}. "
            f"Images without a label: {_examples(others)}."
        )
        parts += _ways(named - both, set(others))
    else:
        parts.append("No image was found in train/.")
    parts += _unread(strays["name"].tolist())
    return " ".join(parts)


def _ways(named: set[str], images: set[str]) -> list[str]:
    for words, change in WAYS.items():
        count = len({change(id_) for id_ in named} & {change(id_) for id_ in images})
        if count:
            return [f"Compared {words}, {count:,} of them would agree: make them the same."]
    return []


def _unread(names: Collection[str]) -> list[str]:
    """Return a sentence on the kinds of files that weren't read."""
    folders = [name for name in names if "/ (" in name]
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        if name in folders:
            continue
        folder, _, file_name = name.rpartition("/")
        _, dot, suffix = file_name.rpartition(".")
        groups.setdefault((folder, dot + suffix if dot else ""), []).append(name)
    counts = Counter({key: len(group) for key, group in groups.items()})
    found = folders[:NUM_ENDINGS] + [
        f"{count:,} named {'*' + suffix if suffix else 'without an extension'} "
        f"{'in ' + folder + '/' if folder else 'at the top'} ({groups[folder, suffix][0]})"
        for (folder, suffix), count in counts.most_common(NUM_ENDINGS)
    ]
    expected = "expected ID.tif (or .tiff, .png, .jpg) in train/, train/images/, train/0 or train/1"
    return [f"Not read were {', '.join(found)}; {expected}."] if found else []


def _examples(ids: Iterable[str]) -> str:
    return ", ".join(sorted(ids)[:NUM_EXAMPLES]) or "none"
