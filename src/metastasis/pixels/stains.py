"""Knows how much haematoxylin and eosin a colour holds. How a demo's tissue is stained, others say.

The optical density of light that passes several stains is the sum of theirs (Lambert and Beer), so
that stains are told apart by solving for their amounts: colour deconvolution, Ruifrok & Johnston
(2001), Quantification of histochemical staining by color deconvolution, Anal Quant Cytol Histol 23.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

# Optical density of red, green and blue a unit of stain, as Ruifrok & Johnston measured them.
HAEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)

Floats = NDArray[np.float64]


def optical_density(colours: NDArray[np.floating]) -> Floats:
    """Return the optical density of (n, 3) colours, RGB of 0..255: 0 for white, 2.4 for black."""
    return -np.log10((np.asarray(colours, np.float64) + 1) / 256)


def unmix(densities: Floats) -> Floats:
    """Return the amounts (n, 2) of haematoxylin and eosin in (n, 3) optical densities.

    What neither stain explains is at right angles to both, and left out. An amount below 0 says
    that the colour has even less of one stain than the other one alone would show.
    """
    haematoxylin, eosin = (
        np.array(stain) / np.linalg.norm(stain) for stain in (HAEMATOXYLIN, EOSIN)
    )
    stains = np.stack([haematoxylin, eosin, np.cross(haematoxylin, eosin)])
    return np.asarray((densities @ np.linalg.inv(stains))[:, :2])


def clusters(colours: NDArray[np.floating], num_clusters: int, seed: int) -> NDArray[np.integer]:
    """Return a cluster of stain for each of (n, 3) mean colours, RGB of 0..255.

    What is clustered, by k-means, is the direction of the optical density: the stain, whatever its
    amount (Ruifrok & Johnston 2001).
    """
    density = optical_density(colours)
    direction = density / np.maximum(np.linalg.norm(density, axis=1, keepdims=True), 1e-9)
    num_clusters = min(num_clusters, len(np.unique(direction, axis=0)))
    found = KMeans(num_clusters, n_init=1, random_state=seed).fit_predict(direction)
    return np.asarray(found)
