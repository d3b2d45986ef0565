"""Section `probe` of params.yaml: the frozen networks, and the size of few-shot training sets."""

from pydantic import PositiveInt

from metastasis.base.params import LiteralPath, Name, Section


class ProbeParams(Section):
    """The file of each frozen network by its name, and the training patches of each class."""

    networks: dict[Name, LiteralPath]
    k: PositiveInt | None
