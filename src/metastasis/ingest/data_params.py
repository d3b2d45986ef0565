"""Section `data` of params.yaml: the paths of the source and of a slide map for it."""

from metastasis.base.params import LiteralPath, Section


class DataParams(Section):
    """The paths of the data, relative to the folder of dvc.yaml or absolute."""

    source: LiteralPath
    slides: LiteralPath
