"""Section `probe` of params.yaml: the frozen networks, and the size of few-shot training sets."""

import re
from typing import Annotated

from pydantic import AfterValidator, PositiveInt

from metastasis.base.params import LiteralPath, Section

# In lower case, since some file systems don't distinguish cases; DVC refuses most other characters.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def _is_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "should be a name of lower-case letters, digits, - and _, since it names a stage and "
            "files"
        )
    return name


class ProbeParams(Section):
    """The file of each frozen network by its name, and the training patches of each class."""

    networks: dict[Annotated[str, AfterValidator(_is_name)], LiteralPath]
    k: PositiveInt | None
