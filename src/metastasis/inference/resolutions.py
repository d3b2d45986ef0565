"""Reads the size of a pixel from a file's own tags, and decides whether to believe it."""

import contextlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tifffile
from PIL import Image

from metastasis.base.errors import InputError

# Micrometres per pixel that a microscope's image can have: from beyond an objective of 100x to 1x.
# The usual settings of programs that know no resolution lie far outside: 72 dpi is 353, 300 dpi 85.
LEAST, MOST = 0.05, 10.0
UNEVEN = 0.05  # share by which the sides of a pixel may differ
COARSE = 2.0  # an image this many times coarser than the model's lacks the detail it learned from
UM_PER_INCH, UM_PER_CM = 25_400.0, 10_000.0
# Micrometres in the units that OME-TIFF and ImageJ write.
UNITS = {
    "µm": 1.0, "\u03bcm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, r"\u00B5m": 1.0,
    "nm": 1e-3, "mm": 1e3, "cm": UM_PER_CM, "inch": UM_PER_INCH,
}  # fmt: skip


@dataclass(frozen=True)
class Tagged:
    """What a file says about its pixels: their sides in micrometres, and which tag says so."""

    x: float
    y: float
    tag: str


@dataclass(frozen=True)
class Resolution:
    """Micrometres per pixel to work with, where they come from, and what the user has to know."""

    um_per_pixel: float
    origin: str
    warning: str = ""


def require_plausible(asked: float | None) -> None:
    """Raise an InputError if the user's `--mpp` can't be a microscope's resolution."""
    if asked is not None and not LEAST <= asked <= MOST:
        raise InputError(
            f"--mpp is {asked:g}; expected micrometres per pixel from {LEAST:g} to {MOST:g}. "
            "A slide scanned at 40x has about 0.25, at 20x about 0.5."
        )


def choose(asked: float | None, tagged: Tagged | None, model: float) -> Resolution:
    """Return the user's resolution, else the file's, else the model's, with a warning if needed."""
    found = _choose(asked, tagged, model)
    if found.um_per_pixel > COARSE * model:
        return Resolution(
            found.um_per_pixel,
            found.origin,
            f"its pixels are {found.um_per_pixel / model:.1f} times as large as those that the "
            "model was trained on: the detail that it needs isn't there, so don't rely on the "
            "scores.",
        )
    return found


def _choose(asked: float | None, tagged: Tagged | None, model: float) -> Resolution:
    if asked is not None:
        return Resolution(asked, "--mpp")
    assumed = f"the model's {model:g} um/px are assumed; if that is wrong, the scores are, too. "
    remedy = "Give the micrometres per pixel by --mpp."
    if tagged is None:
        warning = f"the file doesn't say its resolution: {assumed}{remedy}"
        return Resolution(model, "assumed", warning)
    mean = (tagged.x + tagged.y) / 2
    is_even = abs(tagged.x - tagged.y) <= UNEVEN * mean
    if not LEAST <= mean <= MOST or not is_even:
        found = f"{tagged.x:.4g}" if is_even else f"{tagged.x:.4g} x {tagged.y:.4g}"
        warning = (
            f"its resolution by {tagged.tag} is {found} um/px, which isn't a microscope's: "
            f"{assumed}{remedy}"
        )
        return Resolution(model, "assumed", warning)
    return Resolution(mean, tagged.tag)


def of_slide(properties: Mapping[str, str]) -> Tagged | None:
    """Return what OpenSlide found in a slide's own format."""
    try:
        x, y = (float(properties[f"openslide.mpp-{axis}"]) for axis in "xy")
    except (KeyError, ValueError):
        return None
    return _positive(x, y, "openslide.mpp")


def of_tiff(file: tifffile.TiffFile) -> Tagged | None:
    """Return the first that a TIFF states: by OME, by ImageJ, by Aperio, or by its plain tags."""
    page = file.pages.first
    readers: tuple[Callable[[], Tagged | None], ...] = (
        lambda: _of_ome(file),
        lambda: _of_description(page),
        lambda: _of_tags(page),
    )
    for read in readers:
        # An error: the tags that this one reads are missing or hold something else.
        with contextlib.suppress(ArithmeticError, LookupError, SyntaxError, TypeError, ValueError):
            if found := read():
                return found
    return None


def of_content(content: bytes) -> Tagged | None:
    """Return what the header of a PNG or JPEG says, in memory."""
    # An error: OpenCV reads some files whose other metadata Pillow refuses.
    with (
        contextlib.suppress(
            ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError
        ),
        Image.open(io.BytesIO(content)) as image,
    ):
        x, y = (UM_PER_INCH / float(each) for each in image.info["dpi"])
        return _positive(x, y, "dots per inch")
    return None


def _of_ome(file: tifffile.TiffFile) -> Tagged | None:
    if not file.ome_metadata:
        return None
    found = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = (found[0] if isinstance(found, list) else found)["Pixels"]
    x, y = (
        float(pixels[f"PhysicalSize{axis}"]) * UNITS[pixels.get(f"PhysicalSize{axis}Unit", "µm")]
        for axis in "XY"
    )
    return _positive(x, y, "OME's PhysicalSize")


def _of_description(page: tifffile.TiffPage) -> Tagged | None:
    """Read Aperio's line, or ImageJ's, whose resolution tags count pixels in a unit of its own."""
    aperio = re.search(r"\bMPP ?= ?([\d.]+)", page.description)
    if aperio:
        return _positive(float(aperio[1]), float(aperio[1]), "Aperio's MPP")
    unit = re.search(r"^unit=(\S+)", page.description, re.MULTILINE)
    if not page.is_imagej or not unit or unit[1] not in UNITS:
        return None
    x, y = (UNITS[unit[1]] / each for each in page.resolution)
    return _positive(x, y, "ImageJ's unit")


def _of_tags(page: tifffile.TiffPage) -> Tagged | None:
    unit = {2: UM_PER_INCH, 3: UM_PER_CM}.get(int(page.resolutionunit))
    if unit is None or "XResolution" not in page.tags:
        return None
    x, y = (unit / each for each in page.resolution)
    return _positive(x, y, "the TIFF's resolution tags")


def _positive(x: float, y: float, tag: str) -> Tagged | None:
    return Tagged(x, y, tag) if x > 0 and y > 0 else None
