"""Chooses patches that broke a rule, and turns their pixels into data: URIs.

`gate_report` states which rules are broken and the consequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2

from metastasis import tables
from metastasis.pages import templating
from metastasis.patches import shards
from metastasis.patches.shards import Patches, Pool, UInt8
from metastasis.validate.suites import Rule, Verdict

NUM_PICTURES = 24  # patches of each broken rule
NUM_IDS = 12  # patches of each broken rule that have no pixels to show
# The name of the value in a rule's row, if the value alone doesn't show it.
VALUE_NAMES = {"std": "deviation", "mean": "mean", "sha1": "SHA-1"}
MAX_CAPTION = 48  # characters
LOSSLESS = 101  # WebP's qualities 1 to 100 are lossy


@dataclass(frozen=True)
class Shown:
    """A patch on the page: its pixels as a data: URI, and its finding."""

    id: str
    pixels: str
    found: str = ""


@dataclass(frozen=True)
class Sheet:
    """Patches that broke a rule: the first ones with pixels, and the first ones without."""

    verdict: Verdict
    shown: list[Shown]
    num_pixels: int
    without_pixels: list[tuple[str, str]]
    num_without_pixels: int


def sheet(verdict: Verdict, patches: Patches, classes: Mapping[str, str]) -> Sheet:
    """Return the sheet of patches that broke a rule, in the order of the verdict's rows.

    `classes` holds the class name of each labelled id, which is shown with the finding.
    """
    pool = verdict.rule.pool
    found = {
        id_: _meaning(verdict.rule, value, classes.get(id_, "") if pool == "labelled" else "")
        for id_, value in reversed(verdict.rows)
    }
    index = patches.index
    has_pixels = set(index.loc[(index["pool"] == pool) & index["id"].isin(list(found)), "id"])
    ids = list(reversed(found))
    with_pixels = [id_ for id_ in ids if id_ in has_pixels]
    without = [id_ for id_ in ids if id_ not in has_pixels]
    return Sheet(
        verdict=verdict,
        shown=pictures({id_: found[id_] for id_ in with_pixels[:NUM_PICTURES]}, pool, patches),
        num_pixels=len(with_pixels),
        without_pixels=[(id_, found[id_]) for id_ in without[:NUM_IDS]],
        num_without_pixels=len(without),
    )


def pictures(found: Mapping[str, str], pool: Pool | None, patches: Patches) -> list[Shown]:
    """Return the patches with these ids and their findings; ids without pixels are left out."""
    index = patches.index
    rows = index[(index["pool"] == pool) & index["id"].isin(list(found))].drop_duplicates("id")
    if not len(rows):
        return []
    by_id = rows.set_index("id")
    ids = [id_ for id_ in found if id_ in by_id.index]
    pixels = patches.take(shards.places(by_id.loc[ids]))
    return [
        Shown(id_, _lossless(patch), found[id_]) for id_, patch in zip(ids, pixels, strict=True)
    ]


def brief(text: str) -> str:
    """Return an id or a finding for a caption, with each SHA-1 cut to its first digits."""
    text = tables.SHA1.sub(lambda id_: f"{tables.brief(id_[0])}…", text)
    return text if len(text) <= MAX_CAPTION else f"{text[: MAX_CAPTION - 1]}…"


def _meaning(rule: Rule, value: str, class_: str) -> str:
    """Return the finding, with the name of the value if it doesn't show it, and with the class."""
    expectation = rule.expectation
    column = getattr(expectation, "column_B", getattr(expectation, "column", ""))
    found = f"{VALUE_NAMES[column]} {value}" if column in VALUE_NAMES else value
    return ", ".join(filter(None, (found, class_)))


def _lossless(patch: UInt8) -> str:
    """Return the patch as lossless WebP, which takes two thirds of the space of PNG."""
    image = cv2.cvtColor(patch, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, LOSSLESS])
    return templating.data_uri("image/webp", content.tobytes())
