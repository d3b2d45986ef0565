"""Draws all cell nuclei of a patch at once: outline, membrane, chromatin and nucleoli.

`demo.tissue` chooses the cells of a patch and places them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metastasis.demo.textures import FloatArray, as_float

Columns = dict[str, FloatArray]  # field name to values

# One row per cell. Position and radius are in pixels, the nucleolus's place is in radii. Chromatin
# and nucleolus are optical densities of haematoxylin; rim and clumps are shares of the chromatin.
FIELDS = (
    "x", "y", "radius", "stretch", "angle", "lobes", "chromatin",
    "rim", "clumps", "nucleolus", "nucleolus_u", "nucleolus_v",
)  # fmt: skip
CELL = np.dtype([(name, np.float64) for name in FIELDS])

NUM_OWNERS = 1 << 12  # limit of cells per patch: the low bits of a drawing key
SCORE_STEPS = 64  # resolution of a drawing key, in steps per pixel
NUM_SIZES = 2  # size groups, so that a few large cells don't enlarge every window
OVERHANG = 0.9  # pixels that lobes and the soft outline extend beyond the plain ellipse
PLACE = ("x", "y", "radius", "u_x", "u_y", "v_x", "v_y")  # the fields that decide a pixel's owner
NUCLEOLUS_RADIUS = 1.1  # pixels; a pixel is about a micrometre
MEMBRANE_WIDTH = 1.4  # pixels
OUTLINE_WIDTH = 1.2  # pixels over which a nucleus fades out


@dataclass(frozen=True)
class CellType:
    """The look of one kind of nuclei; a pixel is about a micrometre."""

    radius: float  # median, pixels
    spread: float  # standard deviation of the radius's logarithm
    stretch: float  # mean of long axis / short axis - 1
    lobes: float  # 0 an ellipse, 0.3 clearly lobed
    spacing: float  # distance between neighbours, pixels
    chromatin: float  # optical density of haematoxylin
    rim: float  # 0 evenly dark, 1 all chromatin at the membrane (vesicular)
    clumps: float  # how uneven the chromatin is
    nucleolus: float  # optical density of a nucleolus; 0 for none


def grow(
    kind: CellType, points: FloatArray, angles: FloatArray, *, rng: np.random.Generator
) -> NDArray[np.void]:
    """Return one cell of `kind` at each of `points` (n, 2; x and y in pixels).

    The long axes lie along `angles` (n,), in radians.
    """
    num = len(points)
    normal = as_float(rng.standard_normal((4, num), dtype=np.float32))
    uniform = as_float(rng.random((4, num), dtype=np.float32))
    cells = np.empty(num, CELL)
    cells["x"], cells["y"] = points.T
    cells["radius"] = kind.radius * np.exp(kind.spread * normal[0])
    cells["stretch"] = np.sqrt(1 + kind.stretch * np.minimum(np.abs(normal[1]) * 1.25, 3))
    cells["angle"] = angles
    cells["lobes"] = kind.lobes * normal[2].clip(-1.5, 1.5)
    cells["chromatin"] = kind.chromatin * np.exp(0.15 * normal[3])
    cells["rim"] = (kind.rim * (0.6 + 0.8 * uniform[0])).clip(0, 0.95)
    cells["clumps"] = kind.clumps
    cells["nucleolus"] = kind.nucleolus * (0.3 + uniform[1])
    cells["nucleolus_u"], cells["nucleolus_v"] = uniform[2:] - 0.5
    return cells


def draw(cells: NDArray[np.void], texture: FloatArray) -> FloatArray:
    """Return the nuclei's optical density of haematoxylin, (height, width) float64.

    Where cells overlap, a pixel belongs to the cell in which it lies deepest, so that neighbours
    press against each other as in tissue. The outermost rows and columns are not valid.

    Args:
        cells: rows of `CELL`, at most 4,095.
        texture: (height, width) float64 with mean 0 and deviation 1; chromatin is denser
            where it is higher.
    """
    density = np.zeros(texture.shape, np.float64)
    if not len(cells):
        return density
    columns = _columns(cells)
    extent = cells["radius"] * cells["stretch"] + OVERHANG
    owner = _owners(columns, extent, texture.shape)
    pixels = np.flatnonzero(owner != 0)
    y, x = np.divmod(pixels.astype(np.int32), np.int32(texture.shape[1]))
    owners = owner.take(pixels).astype(np.intp) - 1
    cell = {name: column.take(owners) for name, column in columns.items()}
    u, v = _axes(cell, x.astype(np.float64) - cell["x"], y.astype(np.float64) - cell["y"])
    depth = _depth(cell, u, v)
    inside = (depth / OUTLINE_WIDTH + 0.5).clip(0, 1)
    density.ravel()[pixels] = inside * _chromatin(cell, u, v, depth, texture.take(pixels))
    return density


def _chromatin(
    cell: Columns, u: FloatArray, v: FloatArray, depth: FloatArray, texture: FloatArray
) -> FloatArray:
    """Return the density within each pixel's nucleus: membrane, clumps and nucleolus."""
    rim = np.exp(-np.square((depth - 0.6) / MEMBRANE_WIDTH))
    body = (1 + cell["clumps"] * texture - cell["rim"] * (1 - 1.2 * rim)).clip(0.1, None)
    du = (u - cell["nucleolus_u"]) * cell["radius"]
    dv = (v - cell["nucleolus_v"]) * cell["radius"]
    dot = np.exp((du * du + dv * dv) * (-1 / NUCLEOLUS_RADIUS**2))
    density: FloatArray = cell["chromatin"] * body + cell["nucleolus"] * dot
    return density


def _columns(cells: NDArray[np.void]) -> Columns:
    """Return the fields as separate arrays, the axes as factors that turn pixels into radii."""
    table = np.ascontiguousarray(cells).view(np.float64).reshape(-1, len(FIELDS))
    columns = dict(zip(FIELDS, table.T.copy(), strict=True))
    angle, stretch, radius = columns.pop("angle"), columns.pop("stretch"), columns["radius"]
    long, short = radius * stretch, radius / stretch
    columns |= {"u_x": np.cos(angle) / long, "u_y": np.sin(angle) / long}
    columns |= {"v_x": -np.sin(angle) / short, "v_y": np.cos(angle) / short}
    return columns


def _owners(cells: Columns, extent: FloatArray, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the row + 1 of each pixel's cell, or 0 for a pixel without a cell."""
    keys = np.zeros(shape, np.int32)
    order = np.argsort(extent, kind="stable")
    for index in np.array_split(order, min(len(order), NUM_SIZES)):
        some = {name: cells[name].take(index) for name in PLACE}
        _claim(keys, some, index, half=int(np.ceil(extent[index[-1]])))
    return keys & np.int32(NUM_OWNERS - 1)


def _claim(keys: NDArray[np.int32], cells: Columns, index: NDArray[np.intp], *, half: int) -> None:
    """Raise `keys` to (depth, cell) of each cell where the pixel lies deeper in it than in others.

    The depth is that in the plain ellipse: it decides a pixel's owner, not its look.
    """
    height, width = keys.shape
    # In the order rows, columns, cells the innermost loops run over the cells and are long.
    steps = np.arange(-half, half + 1, dtype=np.float64)[:, None]
    x = np.rint(cells["x"]) + steps
    y = np.rint(cells["y"]) + steps[:, None]
    u, v = _axes(cells, x - cells["x"], y - cells["y"])
    u *= u  # in place from here on: these are the largest arrays of all
    v *= v
    u += v
    depth = np.sqrt(u, out=u)
    depth *= -SCORE_STEPS * cells["radius"]
    depth += SCORE_STEPS * (cells["radius"] + OVERHANG)
    key = depth.astype(np.int32)
    key *= NUM_OWNERS
    key += (index + 1).astype(np.int32)
    # Pixels outside are clipped to the outermost row or column, which the caller crops.
    row, column = y.clip(0, height - 1).astype(np.intp), x.clip(0, width - 1).astype(np.intp)
    np.maximum.at(keys.reshape(-1), (row * width + column).ravel(), key.ravel())


def _axes(cell: Columns, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return offsets along the nucleus's long and short axis, in radii."""
    return dx * cell["u_x"] + dy * cell["u_y"], dx * cell["v_x"] + dy * cell["v_y"]


def _depth(cell: Columns, u: FloatArray, v: FloatArray) -> FloatArray:
    """Return the depth of a point within the nucleus's outline, in pixels; negative outside."""
    uu, vv = u * u, v * v
    square = uu + vv
    bulge = cell["lobes"] * u * (uu - 3 * vv)  # three lobes without computing an angle
    distance = np.sqrt(square) - bulge / (square + 0.5)
    return np.asarray((1 - distance) * cell["radius"], np.float64)
