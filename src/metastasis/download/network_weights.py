"""Fetches the published weights of a network, and says under which licence they are.

`catalogue` lists the files of keras.applications; `lite0` converts those of EfficientNet-Lite0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from metastasis.base import settings, starting
from metastasis.base.errors import InputError
from metastasis.base.published import RemoteFile
from metastasis.download import downloading
from metastasis.pretrained import catalogue


class _Offer(NamedTuple):
    """The size of the file that is written, and the licence of the weights."""

    megabytes: int
    licence: str


# The first licence stands in the documentation of Keras 2 (docs/templates/applications.md), the
# second in the repository whose weights Keras converted (its pull request 14935), the third in the
# package, whose weights were converted from those of github.com/tensorflow/tpu.
OFFERS: Mapping[str, _Offer] = {
    "densenet121": _Offer(29, "BSD 3-clause, of the authors (github.com/liuzhuang13/DenseNet)"),
    "efficientnetv2b0": _Offer(24, "Apache 2.0, of the authors (github.com/google/automl)"),
    "efficientnet-lite0": _Offer(
        14, "Apache 2.0, of the package that converted the authors' weights"
    ),
}

# The terms of access of image-net.org.
TRAINED_ON = """\
All were trained on ImageNet, whose terms allow its use only for non-commercial research and
education."""


def listing() -> str:
    """Return a line for each network with its size and licence, and what they were trained on."""
    lines = [
        f"  {name:18}  {offer.megabytes} MB  {offer.licence}" for name, offer in OFFERS.items()
    ]
    return "\n".join([*lines, TRAINED_ON])


def fetch(name: str, folder: Path, files: Mapping[str, RemoteFile] = catalogue.FILES) -> Path:
    """Write the published weights of the network `name` into `folder`; return their file.

    Raises:
        InputError: the network has no published weights, or they can't be fetched.
    """
    if file := files.get(name):
        downloading.fetch([file], folder)
        return folder / file.name
    if name not in OFFERS:
        raise InputError(
            f"there are no published weights of {name}: expected NAME={'|'.join(OFFERS)}."
        )
    settings.apply()
    with starting.tensorflow():
        from metastasis.download import lite0  # noqa: PLC0415  # TensorFlow, which others don't need

    path = folder / f"{name}.keras"
    lite0.convert(lite0.installed(), path)
    print(f"{path.name}: converted from the package {lite0.PACKAGE}")
    return path
