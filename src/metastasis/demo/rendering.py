"""Turns stain densities into the RGB of a slide scanner. `demo.tissue` composes the tissue."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from metastasis.demo.textures import FIELD, MARGIN, FloatArray, as_float
from metastasis.demo.tissue import Stains


@dataclass(frozen=True)
class Look:
    """The properties of staining and scanner that differ between slides."""

    haematoxylin: FloatArray  # (3,) optical density of R, G, B per unit of stain; length 1
    eosin: FloatArray  # the same
    strengths: tuple[float, float]  # how strong each of the two stains is
    white: FloatArray  # (3,) RGB of bare glass, 0..255
    blur: float  # pixels, standard deviation of the optics
    sharpening: float  # by the scanner's software: 0 none, 1 clear halos
    noise: float  # standard deviation of a pixel, 0..255
    unevenness: float  # between fields: deviation of the logarithms of thickness and focus


@dataclass(frozen=True)
class _Scanner:
    """The median properties of one scanner."""

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    white: tuple[float, float, float]
    blur: float
    sharpening: float


# Stain vectors are directions in optical density. Ruifrok & Johnston 2001, "Quantification of
# histochemical staining by color deconvolution", have haematoxylin (.65, .70, .29) and eosin
# (.07, .99, .11). Each scanner's colours rotate them: one scanner gives warm, dark, sharp images,
# the other softer, violet ones.
_SCANNERS = (
    _Scanner((0.53, 0.69, 0.49), (0.25, 0.85, 0.46), (253, 249, 251), 0.45, 0.6),
    _Scanner((0.60, 0.76, 0.25), (0.19, 0.96, 0.19), (240, 236, 243), 0.6, 0.15),
)


def sample_look(rng: np.random.Generator) -> Look:
    """Return one slide's staining and scanner, drawn at random."""
    scanner = _SCANNERS[rng.integers(len(_SCANNERS))]
    return Look(
        haematoxylin=_turned(scanner.haematoxylin, rng),
        eosin=_turned(scanner.eosin, rng),
        strengths=(float(np.exp(rng.normal(0, 0.2))), float(np.exp(rng.normal(0, 0.25)))),
        white=_white(scanner.white, rng),
        blur=scanner.blur * float(np.exp(rng.normal(0, 0.2))),
        sharpening=scanner.sharpening * float(rng.uniform(0.5, 1.5)),
        noise=float(rng.uniform(1.5, 4.0)),
        unevenness=float(rng.uniform(0.05, 0.15)),
    )


def render(stains: Stains, look: Look, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the field as seen through `look`, (128, 128, 3) uint8 RGB.

    Transmitted light follows the Beer-Lambert law: 10 to the minus optical density.
    """
    thickness, focus = np.exp(look.unevenness * rng.standard_normal(2))
    light = _transmitted(stains, look, thickness)
    seen = cv2.GaussianBlur(light, (0, 0), look.blur * max(focus, 1 / focus) ** 2)
    soft = cv2.GaussianBlur(seen, (7, 7), 1.5)
    sharp = cv2.addWeighted(seen, 1 + look.sharpening, soft, -look.sharpening, 0)
    grain = as_float(rng.standard_normal((FIELD, FIELD), dtype=np.float32)) * look.noise
    middle = sharp[MARGIN:-MARGIN, MARGIN:-MARGIN]
    field = cv2.add(middle, cv2.merge([grain] * 3), dtype=cv2.CV_8U)  # rounds and clips to 0..255
    return np.asarray(field, np.uint8)


def _white(white: tuple[float, float, float], rng: np.random.Generator) -> FloatArray:
    """Return the colour of bare glass, with a random brightness and a slight tint."""
    varied = np.array(white) + rng.normal(0, 2) + rng.normal(0, 1, 3)
    return np.minimum(varied, 255).astype(np.float64)


def _transmitted(stains: Stains, look: Look, thickness: float) -> FloatArray:
    haematoxylin, eosin = (-np.log(10) * thickness * strength for strength in look.strengths)
    unused = np.zeros(3)  # OpenCV maps three channels to three far faster than two to three
    exponents = np.column_stack(
        [haematoxylin * look.haematoxylin, eosin * look.eosin, unused, np.log(look.white)]
    )
    channels = cv2.merge([stains.haematoxylin, stains.eosin, stains.eosin])
    return np.asarray(cv2.exp(cv2.transform(channels, exponents)), np.float64)


def _turned(vector: tuple[float, float, float], rng: np.random.Generator) -> FloatArray:
    """Return the stain vector with a slide's own slight colour cast, at length 1."""
    turned = np.array(vector) * np.exp(rng.normal(0, 0.04, 3))
    length_one: FloatArray = (turned / np.linalg.norm(turned)).astype(np.float64)
    return length_one
