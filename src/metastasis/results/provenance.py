"""Reads and writes a source's declared origin: its name, and whether its patches are drawn.

Drawn patches look like tissue. So everything that shows them, or a number from them, says so.
"""

from pathlib import Path

import pydantic

from metastasis.base import files
from metastasis.base.errors import InputError

SOURCE_NAME = "metastasis-source.json"  # in a source; few sources have one
TABLE_NAME = "source.json"  # written by `ingest` for every source
NOTE = "Drawn patches, not tissue."


class Provenance(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A source's declared origin."""

    name: str
    is_drawn: bool

    @property
    def note(self) -> str:
        """The note on figures of this source, or an empty text."""
        return NOTE if self.is_drawn else ""

    @property
    def warning(self) -> str:
        """The warning at the end of a stage's output, or an empty text."""
        if not self.is_drawn:
            return ""
        return f"The patches are drawn ({self.name}): these numbers say nothing about tissue."


def write(path: Path, provenance: Provenance) -> None:
    """Write `provenance`; `read` reads it back."""
    files.write_json(path, provenance.model_dump())


def read(path: Path) -> Provenance:
    """Return the origin from the file of `ingest` or of a source.

    Raises:
        InputError: the content is invalid.
    """
    return parse(path.read_bytes(), path.name)


def parse(content: bytes, name: str) -> Provenance:
    """Return the origin in the content of the file `name`.

    Raises:
        InputError: the content is invalid.
    """
    try:
        return Provenance.model_validate_json(content)
    except pydantic.ValidationError as error:
        raise InputError(
            f"{name} should name the source, as the demo's file does "
            f'({{"is_drawn": true, "name": "..."}}): {error.errors()[0]["msg"]} '
            f"({'.'.join(map(str, error.errors()[0]['loc'])) or 'the whole file'}). Correct it or "
            "delete it."
        ) from None
