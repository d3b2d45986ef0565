"""Defines how an exported network looks from outside, and refuses any other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from metastasis.base.errors import InputError

INPUT = "patch"  # (n, size, size, 3) float32, RGB of 0..255
LOGIT, PROBABILITY = "logit", "probability"  # (n, 1) float32, of tumour
NAMES = {INPUT, LOGIT, PROBABILITY}
CHANNELS = 3
MAX_SHOWN = 200  # characters of a library's message

Shape = Sequence[int | None]  # None: any


def require(path: Path, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> int:
    """Return the side of the network's patches in pixels.

    Raises:
        InputError: the network's inputs or outputs, each a shape by its name, aren't those of an
            export of this project.
    """
    match dict(inputs):
        case {"patch": [_, int(height), int(width), 3]} if height == width and LOGIT in outputs:
            return height
    raise InputError(
        f"{path} takes {_told(inputs)} and gives {_told(outputs)}; expected {INPUT} (any, size, "
        f"size, {CHANNELS}) and {LOGIT} (any, 1), as an export of this project has. Export "
        "models/model.keras (docs/engines.md)."
    )


def unreadable(path: Path, form: str, error: Exception) -> InputError:
    """Return the error for a file that a runtime can't read in the format `form`."""
    found = str(error).strip().splitlines() or [""]
    return InputError(
        f"{path} can't be read as {form} ({found[-1].strip()[:MAX_SHOWN]}): it may be cut short or "
        "changed, or lack its file of weights. Export the network again, or restore the file with "
        "`dvc checkout`."
    )


def _told(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(
        f"{name or 'an unnamed tensor'} ({', '.join(str(n or 'any') for n in shape)})"
        for name, shape in shapes.items()
    )
