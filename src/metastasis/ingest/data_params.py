"""Section `data` of params.yaml: the source, a slide map for it, and its resolution."""

from metastasis.base.params import LiteralPath, MicrometresPerPixel, Name, Section


class SourceParams(Section):
    """The path of the source, relative to the folder of dvc.yaml or absolute."""

    source: LiteralPath


class DataParams(SourceParams):
    """The whole section; the paths of folders and of the slide map are like that of the source."""

    listed: dict[Name, LiteralPath]
    slides: LiteralPath
    um_per_pixel: MicrometresPerPixel
