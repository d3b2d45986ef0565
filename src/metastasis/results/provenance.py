"""Knows what a source says of itself: its name, and whether its patches are drawn or tissue.

Drawn patches look like tissue, so that whatever shows them, or a number from them, says so.
"""

from pathlib import Path

import pydantic

from metastasis.base import files
from metastasis.base.errors import InputError

SOURCE_NAME = "metastasis-source.json"  # in a source, of which few have one
TABLE_NAME = "source.json"  # what `ingest` hands on, of every source
NOTE = "Drawn patches, not tissue."


class Provenance(pydantic.BaseModel, frozen=True, extra="forbid"):
    """What a source is."""

    name: str
    is_drawn: bool

    @property
    def note(self) -> str:
        """What a figure of this source says below, or nothing."""
        return NOTE if self.is_drawn else ""

    @property
    def warning(self) -> str:
        """What the last lines of a stage say, or nothing."""
        if not self.is_drawn:
            return ""
        return f"The patches are drawn ({self.name}): these numbers say nothing about tissue."


def write(path: Path, provenance: Provenance) -> None:
    """Write it so that `read` gives it back."""
    files.write_json(path, provenance.model_dump())


def read(path: Path) -> Provenance:
    """Return what `ingest` handed on, or a source said.

    Raises:
        InputError: the file holds something else.
    """
    return parse(path.read_bytes(), path.name)


def parse(content: bytes, name: str) -> Provenance:
    """Return what the file `name` says.

    Raises:
        InputError: it holds something else.
    """
    try:
        return Provenance.model_validate_json(content)
    except pydantic.ValidationError as error:
        raise InputError(
            f"{name} should say what the source is, as the demo's does "
            f'({{"is_drawn": true, "name": "..."}}): {error.errors()[0]["msg"]} '
            f"({'.'.join(map(str, error.errors()[0]['loc'])) or 'the whole file'}). Correct it or "
            "delete it."
        ) from None
