"""Defines what a region or slide offers its readers, whatever its format; and one held in memory.

`tiff_tiles` and `slides` read larger ones piece by piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from metastasis.patches.shards import UInt8

GLASS = 255  # where a file has no pixels, nothing was scanned


class Box(NamedTuple):
    """A rectangle of pixels."""

    x: int
    y: int
    width: int
    height: int


class Size(NamedTuple):
    """The size of an image in pixels."""

    width: int
    height: int


def factors(sizes: Sequence[tuple[int, int]]) -> list[float]:
    """Return how many pixels of the largest level a pixel of each level covers, along a side.

    A level's size is rounded: 10,001 / 4 is 2,500. So where a whole factor explains the size, it is
    the factor.
    """
    longest = max(range(2), key=lambda axis: sizes[0][axis])
    whole = sizes[0][longest]
    found = []
    for size in sizes:
        part = size[longest]
        nearest = max(round(whole / part), 1)
        is_exact = whole // nearest <= part <= -(-whole // nearest)
        found.append(float(nearest) if is_exact else whole / part)
    return found


class Raster(Protocol):
    """An image, perhaps with smaller copies of itself (levels, the largest first)."""

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The size of each level."""
        ...

    def read(self, level: int, box: Box) -> UInt8:
        """Return the pixels of a box that lies within the level: (height, width, 3) RGB.

        Raises:
            InputError: the file is damaged there.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@dataclass(frozen=True)
class Whole:
    """An image in memory, (height, width, 3) uint8, RGB."""

    pixels: UInt8

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Its only level."""
        return (Size(self.pixels.shape[1], self.pixels.shape[0]),)

    def read(self, level: int, box: Box) -> UInt8:
        """Return the pixels of a box of its only level."""
        del level
        return self.pixels[box.y : box.y + box.height, box.x : box.x + box.width]

    def close(self) -> None:
        """Do nothing: no file is open."""
