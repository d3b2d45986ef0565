"""Section `data` of params.yaml: where the source and a slide map for it are."""

from typing import Annotated

from pydantic import Field

from metastasis.params import Section


class DataParams(Section):
    """Where the data is: both are paths, relative to the folder of dvc.yaml or absolute."""

    source: Annotated[str, Field(min_length=1)]
    slides: Annotated[str, Field(min_length=1)]
