"""Reads whole-slide formats by OpenSlide, which the extra `slides` installs.

OpenSlide rather than tiffslide: its wheel brings all decoders in one library of 4 MB, and it also
reads formats that aren't TIFF (MRXS, VMS, DICOM, CZI). tiffslide needs imagecodecs and zarr.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metastasis.base.errors import InputError
from metastasis.inference import rasters, resolutions
from metastasis.inference.finding import Image
from metastasis.inference.rasters import GLASS, Box, Size
from metastasis.inference.resolutions import Tagged
from metastasis.patches.shards import UInt8

if TYPE_CHECKING:
    import openslide

DICOM, SERIES = ".dcm", "dicom.SeriesInstanceUID"
BOUNDS = tuple(f"openslide.bounds-{name}" for name in ("x", "y", "width", "height"))
EXTRA = (
    "a whole-slide format, or a TIFF with a compression that only OpenSlide reads; install the "
    "extra `slides`: `make setup EXTRA=slides`, or "
    "`pip install openslide-python openslide-bin`"
)


@dataclass(frozen=True)
class Slide:
    """An open slide. Like QuPath, it shows only the bounds of what was scanned, if it has some."""

    slide: "openslide.OpenSlide"
    bounds: Box  # pixels of the largest level

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The size of each level."""
        return tuple(
            Size(int(self.bounds.width / factor), int(self.bounds.height / factor))
            for factor in rasters.factors(self.slide.level_dimensions)
        )

    def read(self, level: int, box: Box) -> UInt8:
        """Return the pixels of a box, (height, width, 3) RGB.

        Raises:
            InputError: the slide is damaged there.
        """
        import openslide  # noqa: PLC0415  # an extra

        factor = rasters.factors(self.slide.level_dimensions)[level]
        place = (
            self.bounds.x + round(box.x * factor),
            self.bounds.y + round(box.y * factor),
        )
        try:
            image = self.slide.read_region(place, level, (box.width, box.height))
        except openslide.OpenSlideError as error:
            raise InputError(f"OpenSlide can't read it ({error}): it is damaged") from None
        pixels = np.asarray(image)
        opacity = pixels[:, :, 3:]
        return np.where(opacity, pixels[:, :, :3], np.uint8(GLASS))

    def close(self) -> None:
        """Close the file."""
        self.slide.close()

    def tagged(self) -> Tagged | None:
        """Return the resolution that the slide states."""
        return resolutions.of_slide(self.slide.properties)


def read(path: Path) -> Slide:
    """Open a slide.

    Raises:
        InputError: the extra isn't installed, or OpenSlide doesn't know the file.
    """
    try:
        import openslide  # noqa: PLC0415  # an extra
    except ImportError:
        raise InputError(EXTRA) from None
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError:
        raise InputError(
            "neither a slide that OpenSlide knows nor a complete TIFF; save it as a tiled TIFF in "
            "RGB with 8 bits per channel"
        ) from None
    except openslide.OpenSlideError as error:
        raise InputError(f"OpenSlide can't read it ({error}): it is damaged") from None
    return Slide(slide, _bounds(slide))


def each_once(found: list[Image]) -> list[Image]:
    """Return the images without a DICOM slide's further files.

    It has one for each level, for its label and its overview, all in one folder, and OpenSlide
    reads the whole slide from any of them.
    """
    seen, kept = set(), []
    for image in found:
        series = _series(image.path) if image.path.suffix.lower() == DICOM else ""
        slide = (image.path.parent.resolve(), series)
        if not series or slide not in seen:
            kept.append(image)
        seen.add(slide)
    return kept


def _series(path: Path) -> str:
    """Return the name of a DICOM file's series; empty if it can't be read, as will be told."""
    try:
        slide = read(path)
    except (InputError, OSError):
        return ""
    name = slide.slide.properties.get(SERIES, "")
    slide.close()
    return str(name)


def _bounds(slide: "openslide.OpenSlide") -> Box:
    """Return the bounds if they are smaller than the slide on both sides, as QuPath decides."""
    width, height = slide.dimensions
    try:
        bounds = Box(*(int(slide.properties[name]) for name in BOUNDS))
    except (KeyError, ValueError):
        return Box(0, 0, width, height)
    is_smaller = bounds.width != width and bounds.height != height
    return bounds if is_smaller else Box(0, 0, width, height)
