"""Computes the amounts of haematoxylin and eosin in a colour. `demo` stains its own tissue.

The optical densities of several stains add up (Beer-Lambert law), so that solving for the amounts
separates the stains. This is colour deconvolution: Ruifrok & Johnston (2001), Quantification of
histochemical staining by color deconvolution, Anal Quant Cytol Histol 23.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

COLOURS = ["mean_red", "mean_green", "mean_blue"]  # of a patch: columns of the inventory

# Optical density of red, green and blue per unit of stain, as measured by Ruifrok & Johnston.
HAEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)

Floats = NDArray[np.float64]


def optical_density(colours: NDArray[np.floating]) -> Floats:
    """Return the optical density of (n, 3) colours, RGB of 0..255: 0 for white, 2.4 for black."""
    return -np.log10((np.asarray(colours, np.float64) + 1) / 256)


def unmix(densities: Floats) -> Floats:
    """Return the amounts (n, 2) of haematoxylin and eosin in (n, 3) optical densities.

    The component that neither stain explains is orthogonal to both and is ignored. A negative
    amount means that the colour has less of one stain than the other stain alone would show.
    """
    haematoxylin, eosin = (
        np.array(stain) / np.linalg.norm(stain) for stain in (HAEMATOXYLIN, EOSIN)
    )
    stains = np.stack([haematoxylin, eosin, np.cross(haematoxylin, eosin)])
    return np.asarray((densities @ np.linalg.inv(stains))[:, :2])


def clusters(colours: NDArray[np.floating], num_clusters: int, seed: int) -> NDArray[np.integer]:
    """Return the stain cluster of each of (n, 3) mean colours, RGB of 0..255.

    k-means clusters the direction of the optical density, which is the stain independent of its
    amount (Ruifrok & Johnston 2001).
    """
    density = optical_density(colours)
    direction = density / np.maximum(np.linalg.norm(density, axis=1, keepdims=True), 1e-9)
    num_clusters = min(num_clusters, len(np.unique(direction, axis=0)))
    found = KMeans(num_clusters, n_init=1, random_state=seed).fit_predict(direction)
    return np.asarray(found)
