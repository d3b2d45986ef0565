"""Changes patches at random in ways that keep their label.

`draw` draws how the patches of a batch change, `change` changes them; `augment` does both. A
worker of several passes its share of a batch; all draw for the whole batch, so that a patch changes
as with one. `device_augmenting` changes patches in the same ways on a GPU.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from metastasis.patches import symmetries
from metastasis.patches.shards import UInt8
from metastasis.train.train_params import Geometry, Recipe
from metastasis.train.workers import ALONE, Worker

# Network A's ranges, in the units of Keras's ImageDataGenerator: degrees, share of the side,
# degrees, factor. Its shear of .1 is a tenth of a degree.
AFFINE_ROTATION, AFFINE_SHIFT, AFFINE_SHEAR, AFFINE_ZOOM = 20.0, 0.1, 0.1, 0.1
ROTATION_ZOOM = 0.1  # by which the free rotation's zoom differs from 1 at most
LEAST_STAIN = 0.05  # factor of the optical density: below 0 it would exchange dark and bright
STAIN_SHIFT_SHARE = 1 / 3  # of the stain jitter's scale, for the shift of the optical density
SHARPENED_WIDTH = 1.0  # pixels: the standard deviation of the detail that sharpening amplifies

# What lies beyond a patch's edge: the patch mirrored, as tissue goes on there, or its last pixels.
BORDERS = {"rotation": cv2.BORDER_REFLECT_101, "affine": cv2.BORDER_REPLICATE}


# How each of n patches changes, in this order; what params switch off is absent:
# elements (n,): of D4, numbered as in `symmetries`;
# maps (n, 2, 3): from a pixel's place (x, y, 1) to its new place;
# densities (n, 3, 2): factor and shift of each channel's optical density;
# focus (n,): the width of the blur in pixels, or as a negative number the detail to be added.
Changes = dict[str, NDArray[Any]]


def augment(
    patches: UInt8, random: np.random.Generator, params: Recipe, worker: Worker = ALONE
) -> UInt8:
    """Return changed copies of (n, size, size, 3) uint8 RGB patches, as `params` say.

    `d4` is a flip or quarter turn, which keeps the central 32x32 in place. `rotation` turns by any
    angle about the centre, flips and zooms, so that only the box's corners and rim may change.
    `affine` is network A's set, which may move tissue into or out of the centre. `jitter_stain` and
    `jitter_focus` define the jitters; 0 switches them off.
    """
    changes = draw(random, len(patches) * worker.num, patches.shape[1], params)
    own = worker.share(len(patches) * worker.num)
    changes = {name: rows[own] for name, rows in changes.items()}
    return change(patches, changes, params.geometry)


def draw(random: np.random.Generator, num: int, size: int, params: Recipe) -> Changes:
    """Draw how `num` patches of `size` pixels change, as `params` say."""
    changes: Changes = {}
    if params.geometry == "d4":
        changes["elements"] = random.integers(symmetries.NUM_ELEMENTS, size=num)
    elif params.geometry == "rotation":
        changes["maps"] = _rotations(random, num, size)
    elif params.geometry == "affine":
        changes["maps"] = _affine_maps(random, num, size)
    if scale := params.stain_jitter:
        factors = np.maximum(random.normal(1, scale, (num, 3)), LEAST_STAIN)
        shifts = random.normal(0, scale * STAIN_SHIFT_SHARE, (num, 3))
        changes["densities"] = np.stack([factors, shifts], axis=2)
    if scale := params.focus_jitter:
        changes["focus"] = random.uniform(-scale, scale, num)
    return changes


def change(patches: UInt8, changes: Changes, geometry: Geometry) -> UInt8:
    """Return the patches changed as was drawn for them, with the same params."""
    if "elements" in changes:
        patches = turn(patches, changes["elements"])
    if "maps" in changes:
        patches = _moved(patches, changes["maps"], BORDERS[geometry])
    if "densities" in changes:
        patches = jitter_stain(patches, changes["densities"])
    if "focus" in changes:
        patches = jitter_focus(patches, changes["focus"])
    return patches


def turn(patches: UInt8, elements: NDArray[np.integer]) -> UInt8:
    """Apply an element of D4 to each patch, numbered (n,) as in `symmetries`, but faster."""
    turned = np.empty_like(patches)
    for patch, element, out in zip(patches, elements, turned, strict=True):
        TURNS[element](patch, dst=out)
    return turned


def _transpose_other_diagonal(patch: UInt8, dst: UInt8) -> None:
    cv2.transpose(patch, dst=dst)
    cv2.rotate(dst, cv2.ROTATE_180, dst=dst)


TURNS: tuple[Callable[..., object], ...] = (
    lambda patch, dst: np.copyto(dst, patch),
    partial(cv2.rotate, rotateCode=cv2.ROTATE_90_COUNTERCLOCKWISE),
    partial(cv2.rotate, rotateCode=cv2.ROTATE_180),
    partial(cv2.rotate, rotateCode=cv2.ROTATE_90_CLOCKWISE),
    partial(cv2.flip, flipCode=1),
    cv2.transpose,
    partial(cv2.flip, flipCode=0),
    _transpose_other_diagonal,
)


def jitter_stain(patches: UInt8, densities: NDArray[np.float64]) -> UInt8:
    """Scale and shift the optical density of each channel of each patch, by (n, 3, 2).

    The factor's standard deviation is `train.stain_jitter`, the shift's is a third of it; a shift
    changes the brightness. Stain and scanner act on the optical density, -log(transmitted light),
    almost linearly (Ruifrok and Johnston 2001; jitter after Tellez et al. 2019). With 8 bits, a
    table of 256 values does it.
    """
    factor, shift = np.moveaxis(densities[:, :, np.newaxis], 3, 0)
    density = -np.log((np.arange(256) + 1) / 256)
    light = 256 * np.exp(-(factor * density + shift)) - 1
    tables = np.clip(np.round(light), 0, 255).astype(np.uint8).transpose(0, 2, 1)
    jittered = np.empty_like(patches)
    for patch, table, out in zip(patches, tables, jittered, strict=True):
        cv2.LUT(patch, np.ascontiguousarray(table)[np.newaxis], dst=out)
    return jittered


def jitter_focus(patches: UInt8, strengths: NDArray[np.float64]) -> UInt8:
    """Blur the patches with a positive strength, (n,), and sharpen the others.

    Scanners differ in focus, and some sharpen. The blur is Gaussian, with a standard deviation of
    as many pixels. Sharpening adds as much of the detail that a Gaussian of one pixel removes.
    Optics act on light, so this comes after the stain.
    """
    focused = np.empty_like(patches)
    for patch, strength, out in zip(patches, strengths, focused, strict=True):
        if strength > 0:
            cv2.GaussianBlur(patch, (0, 0), strength, dst=out)
        else:
            blurred = cv2.GaussianBlur(patch, (0, 0), SHARPENED_WIDTH)
            cv2.addWeighted(patch, 1 - strength, blurred, strength, 0, dst=out)
    return focused


def _rotations(random: np.random.Generator, num: int, size: int) -> NDArray[np.float64]:
    """Return maps that turn by any angle about the centre, flip a half, and zoom by up to a tenth.

    Their shape is that of `_affine_maps`.
    """
    angle = random.uniform(-np.pi, np.pi, num)
    zoom = random.uniform(1 - ROTATION_ZOOM, 1 + ROTATION_ZOOM, num)
    flip = random.choice([-1.0, 1.0], num)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], 1), np.stack([flip * sin, flip * cos], 1)], axis=1)
    return _about_centre(linear, np.zeros((num, 2)), size)


def _affine_maps(random: np.random.Generator, num: int, size: int) -> NDArray[np.float64]:
    """Return the affine maps of `num` patches of `size` pixels: (num, 2, 3)."""
    angle, shear = np.deg2rad(random.uniform(-1, 1, (2, num)) * [[AFFINE_ROTATION], [AFFINE_SHEAR]])
    zoom = random.uniform(1 - AFFINE_ZOOM, 1 + AFFINE_ZOOM, (2, num))
    shift = random.uniform(-AFFINE_SHIFT, AFFINE_SHIFT, (num, 2)) * size
    flip = random.choice([-1.0, 1.0], (2, num))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.stack(
        [
            np.stack([cos * zoom[0] * flip[0], -np.sin(angle + shear) * zoom[1] * flip[1]], axis=1),
            np.stack([sin * zoom[0] * flip[0], np.cos(angle + shear) * zoom[1] * flip[1]], axis=1),
        ],
        axis=1,
    )
    return _about_centre(linear, shift, size)


def _about_centre(
    linear: NDArray[np.float64], shift: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Return the maps that apply (n, 2, 2) about the centre and shift by (n, 2) pixels."""
    centre = np.full(2, (size - 1) / 2)
    offset = centre - linear @ centre + shift
    return np.concatenate([linear, offset[:, :, np.newaxis]], axis=2)


def _moved(patches: UInt8, maps: NDArray[np.float64], border: int) -> UInt8:
    size = patches.shape[1]
    moved = np.empty_like(patches)
    for patch, matrix, out in zip(patches, maps, moved, strict=True):
        cv2.warpAffine(patch, matrix, (size, size), dst=out, borderMode=border)
    return moved
