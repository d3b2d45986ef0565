"""Section `data` of params.yaml: the source, a slide map for it, and its resolution."""

from metastasis.base.params import LiteralPath, MicrometresPerPixel, Section


class SourceParams(Section):
    """The path of the source, relative to the folder of dvc.yaml or absolute."""

    source: LiteralPath


class DataParams(SourceParams):
    """The whole section; the path of the slide map is like that of the source."""

    slides: LiteralPath
    um_per_pixel: MicrometresPerPixel
