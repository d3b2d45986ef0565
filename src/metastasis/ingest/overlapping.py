"""Finds pairs of patches that overlap: they share pixels, shifted against each other.

Patches that were cut from one slide close to each other hold the same pixels where they overlap.
Comparing all pairs at all shifts would take years, so each patch is first reduced to fingerprints:
hashes of small blocks. The blocks are chosen by their hashes alone, so that two patches choose the
same blocks of their common area. This is winnowing (Schleimer, Wilkerson and Aiken 2003, for text)
in two dimensions. Pairs with a common fingerprint are then compared in their pixels.

JPEG encodes blocks of 8x8 or 16x16 pixels, each by itself. So patches that were stored as JPEG with
one table, and whose shift is a multiple of the block's side, still share pixels: all but those at
the edge of the common area, where the decoder smooths colours across blocks (ITU T.81). Other
shifts, and copies at another quality, aren't found.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from metastasis.base import processor
from metastasis.hashes import joining
from metastasis.patches import shards
from metastasis.patches.shards import PATCH_SIZE, Patches, Places, UInt8

BLOCK = 8  # pixels a side
REACH = 9  # blocks a side, of which the one of the lowest hash is chosen
MIN_OVERLAP = BLOCK + REACH - 1  # pixels a side: every textured overlap of this size is found
# The least range of green (0..255) in a block. Blocks of bare glass or flat stroma have less.
MIN_RANGE = 24
MAX_SHARED = 1000  # patches with one fingerprint; more patches show a repeating pattern
EDGE = 1  # pixels of the common area's edge that aren't compared: JPEG changes them
NUM_BUCKETS = 16  # of fingerprints, joined one after the other to save memory
BATCH = 256  # patches
COMPARED = 2**11  # pairs compared at a time: 0.2 GB

NUM_BLOCKS = PATCH_SIZE - BLOCK + 1  # a side
HASH_BITS = 52  # exact in float64, which OpenCV's filters take
SIDE_BITS = 7  # of a block's row or column
SPAN = 2 * PATCH_SIZE + 1  # shifts in one direction

Hashes = NDArray[np.uint64]
Overlaps = NDArray[np.int64]  # (n, 4): first, second, down, right; sorted

_MIX = np.uint64(0xBF58476D1CE4E5B9)  # odd, as all factors are: so no pixel's bits are lost
_BASES = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))  # of columns, of rows


def table(inventory: pd.DataFrame, patches: Patches) -> pd.DataFrame:
    """Return a row for each pair of usable patches that overlap, labelled and unlabelled ones.

    The columns are those of `shards.OVERLAP_COLUMNS`; the rows are in order, and the first patch of
    a pair comes before the other by pool and id. Patches with the same pixels are searched once,
    and each of them has the pairs.
    """
    usable = inventory.loc[inventory["shard"] >= 0, [*shards.PATCH, "sha1", *shards.PLACE]]
    usable = usable.sort_values(shards.PATCH, ignore_index=True)
    pixels, _ = pd.factorize(usable["sha1"])
    different = usable.groupby(pixels).first()
    found = find(patches, shards.places(different))
    named = pd.DataFrame({"number": np.arange(len(usable)), "pixels": pixels})
    pairs = pd.DataFrame(found, columns=["pixels", "other_pixels", *shards.CORNER])
    pairs = pairs.merge(named, on="pixels").merge(named.add_prefix("other_"), on="other_pixels")
    is_swapped = pairs["number"] > pairs["other_number"]
    first, second = np.sort(pairs[["number", "other_number"]].to_numpy(), axis=1).T
    shifts = pairs[shards.CORNER].where(~is_swapped, -pairs[shards.CORNER])
    one, other = (usable.loc[rows, shards.PATCH].reset_index(drop=True) for rows in (first, second))
    table: pd.DataFrame = pd.concat(
        [one, other.add_prefix("other_"), shifts.astype(np.int32)], axis=1
    )
    table["share"] = (1 - shifts.abs() / PATCH_SIZE).prod(axis=1)
    return table.sort_values(list(shards.OVERLAP_COLUMNS), ignore_index=True)


def find(patches: Patches, places: Places) -> Overlaps:
    """Return the pairs of patches at `places` that overlap, by their numbers, with their shift.

    The second patch's corner lies `down` and `right` of the first's, in pixels. An overlap of
    `MIN_OVERLAP` pixels or more in both directions is found if it has texture: a square of that
    side in which the green of some block ranges over `MIN_RANGE` or more. Equal patches have a
    shift of 0. Patches stored as JPEG may have to share `2 * EDGE` pixels more.
    """
    if len(places) < 2:  # noqa: PLR2004  # a pair
        return np.empty((0, 4), np.int64)
    found = [_shared(hashes, blocks, len(places)) for hashes, blocks in _buckets(patches, places)]
    shifts = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    candidates = _unpacked(shifts, len(places))
    return candidates[_is_equal(candidates, patches, places)]


def fingerprints(patches: UInt8) -> tuple[NDArray[np.int64], Hashes, NDArray[np.int64]]:
    """Return the chosen blocks of (n, 96, 96, 3) patches: number of the patch, hash and corner.

    A corner is packed into one number: row << 7 | column.
    """
    hashes = _block_hashes(patches).astype(np.float64)
    chosen = np.array([_chosen(*each) for each in zip(hashes, patches, strict=True)])
    number, row, column = np.nonzero(chosen)
    return number, hashes[chosen].astype(np.uint64), row << SIDE_BITS | column


def _block_hashes(patches: UInt8) -> Hashes:
    """Return a hash of `HASH_BITS` for every block, (n, 89, 89), by its colours alone."""
    red, green, blue = (patches[..., channel].astype(np.uint64) for channel in range(3))
    value = (red << np.uint64(16) | green << np.uint64(8) | blue) + np.uint64(1)
    value = _stirred(value * _MIX)
    for base in _BASES:
        value = _rolling(value, base).swapaxes(1, 2)
    return _stirred(_stirred(value) * _MIX) >> np.uint64(64 - HASH_BITS)


def _stirred(value: Hashes) -> Hashes:
    return value ^ value >> np.uint64(31)


def _rolling(value: Hashes, base: np.uint64) -> Hashes:
    """Return along the last axis the sums of `BLOCK` values times powers of `base`, modulo 2 ** 64.

    They are differences of running sums, brought to the same power by those of base's inverse (Karp
    and Rabin 1987).
    """
    size = value.shape[-1]
    inverse = np.uint64(pow(int(base), -1, 2**64))
    total = np.cumsum(value * _powers(base, size), axis=-1, dtype=np.uint64)
    sums = total[..., BLOCK - 1 :].copy()
    sums[..., 1:] -= total[..., :-BLOCK]
    rolled: Hashes = sums * _powers(inverse, size - BLOCK + 1)
    return rolled


def _powers(base: np.uint64, num: int) -> Hashes:
    return np.cumprod(np.concatenate([[np.uint64(1)], np.full(num - 1, base)]), dtype=np.uint64)


def _chosen(hashes: NDArray[np.float64], patch: UInt8) -> NDArray[np.bool_]:
    """Return which blocks have the lowest hash of a square of `REACH` blocks inside the patch."""
    green = np.ascontiguousarray(patch[..., 1])
    block, square = np.ones((BLOCK, BLOCK), np.uint8), np.ones((REACH, REACH), np.uint8)
    highest, lowest = (
        cv2.dilate(green, block, anchor=(0, 0)),
        cv2.erode(green, block, anchor=(0, 0)),
    )
    has_texture = (highest - lowest)[:NUM_BLOCKS, :NUM_BLOCKS] >= MIN_RANGE
    ranked = np.where(has_texture, hashes, np.inf)
    inside = NUM_BLOCKS - REACH + 1  # squares a side
    least = np.full_like(ranked, -np.inf)
    least[:inside, :inside] = cv2.erode(ranked, square, anchor=(0, 0))[:inside, :inside]
    least[~np.isfinite(least)] = -np.inf
    # The greatest minimum of all squares around a block is the block's own hash if it is a minimum.
    greatest = cv2.dilate(
        least,
        square,
        anchor=(REACH - 1, REACH - 1),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=-np.inf,
    )
    chosen: NDArray[np.bool_] = has_texture & (greatest >= ranked)
    return chosen


def _buckets(patches: Patches, places: Places) -> Iterator[tuple[Hashes, NDArray[np.int64]]]:
    """Yield the fingerprints of all patches, those of equal hashes in one bucket.

    Each comes with the number of its patch and the block's corner, packed.
    """
    starts = range(0, len(places), BATCH)

    def inspect(start: int) -> tuple[Hashes, NDArray[np.int64]]:
        number, hashes, corner = fingerprints(patches.take(places[start : start + BATCH]))
        return hashes, start + number << 2 * SIDE_BITS | corner

    buckets: list[list[tuple[Hashes, NDArray[np.int64]]]] = [[] for _ in range(NUM_BUCKETS)]
    with (
        ThreadPoolExecutor(processor.usable_cores()) as pool,
        tqdm(total=len(places), desc="overlap", unit=" patches", disable=None) as bar,
    ):
        for hashes, blocks in pool.map(inspect, starts):
            bucket = hashes % np.uint64(NUM_BUCKETS)
            for number, parts in enumerate(buckets):
                parts.append((hashes[bucket == number], blocks[bucket == number]))
            bar.update(BATCH)
    for parts in buckets:
        yield tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[misc]
        parts.clear()


def _shared(hashes: Hashes, blocks: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    """Return the pairs of patches with a common fingerprint and their shifts, packed, each once."""
    order = np.argsort(hashes, kind="stable")
    hashes, blocks = hashes[order], blocks[order]
    starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    sizes = np.diff(np.append(starts, len(hashes)))
    is_kept = np.repeat((sizes > 1) & (sizes <= MAX_SHARED), sizes)
    hashes, blocks = hashes[is_kept], blocks[is_kept]
    found = [np.empty(0, np.int64)]
    for one, other in joining.equal_pairs(hashes):
        found.append(np.unique(_packed(blocks[one], blocks[other], num)))
    return np.unique(np.concatenate(found))


def _packed(one: NDArray[np.int64], other: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    """Return pairs of different patches and their shifts as one number each, in their order."""
    first, second = np.minimum(one, other), np.maximum(one, other)
    numbers = [block >> 2 * SIDE_BITS for block in (first, second)]
    mask = (1 << SIDE_BITS) - 1
    down = (first >> SIDE_BITS & mask) - (second >> SIDE_BITS & mask)
    right = (first & mask) - (second & mask)
    packed = (
        ((numbers[0] * num + numbers[1]) * SPAN + down + PATCH_SIZE) * SPAN + right + PATCH_SIZE
    )
    is_pair = numbers[0] != numbers[1]
    return np.asarray(packed[is_pair], np.int64)


def _unpacked(packed: NDArray[np.int64], num: int) -> Overlaps:
    rest, right = np.divmod(packed, SPAN)
    pairs, down = np.divmod(rest, SPAN)
    first, second = np.divmod(pairs, num)
    return np.stack([first, second, down - PATCH_SIZE, right - PATCH_SIZE], axis=1)


def _is_equal(candidates: Overlaps, patches: Patches, places: Places) -> NDArray[np.bool_]:
    """Return which candidates have the same pixels within an overlap that is large enough."""
    shifts, which = np.unique(candidates[:, 2:], axis=0, return_inverse=True)
    is_equal = np.zeros(len(candidates), bool)
    for number, (down, right) in enumerate(shifts.tolist()):
        rows = np.flatnonzero(which == number)
        if max(abs(down), abs(right)) > PATCH_SIZE - MIN_OVERLAP:
            continue
        for start in range(0, len(rows), COMPARED):
            batch = rows[start : start + COMPARED]
            one, other = (patches.take(places[candidates[batch, side]]) for side in (0, 1))
            mine = one[:, _inside(down), _inside(right)]
            theirs = other[:, _inside(-down), _inside(-right)]
            is_equal[batch] = (mine == theirs).all(axis=(1, 2, 3))
    return is_equal


def _inside(shift: int) -> slice:
    """Return which rows (or columns) of a patch lie inside another that is shifted by so much."""
    return slice(max(shift, 0) + EDGE, PATCH_SIZE + min(shift, 0) - EDGE)
