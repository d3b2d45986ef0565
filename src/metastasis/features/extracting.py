"""Writes the features of all patches, by a frozen network or from the user's own file.

`keras_networks`, `onnx_networks` and `own_features` read the files.
"""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from metastasis import feature_files
from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.features import keras_networks, onnx_networks, own_features
from metastasis.features.networks import Network
from metastasis.patches import shards
from metastasis.pretrained import architectures


def extract(path: Path, crops_folder: Path, features_folder: Path) -> None:
    """Write the features of each labelled and unlabelled patch, in the order of the shards.

    The folder is named as the network is in params.yaml; docs/probe.md says what the file at `path`
    may be.

    Raises:
        InputError: the file is missing, can't be read, or holds no network and no features of these
            patches.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file; expected a network or features (docs/probe.md).")
    patches = shards.read(crops_folder)
    index = patches.index.sort_values(shards.PLACE, ignore_index=True)
    with files.whole_folder(features_folder) as folder:
        if path.suffix == ".npz":
            num, width = own_features.copy(path, index, folder)
        else:
            network = _network(features_folder.name, path, patches.size)
            num, width = _write(network, path, patches, index, folder)
    print(f"features: {num:,} patches with {width:,} features each, of {path}")
    if num < len(index):
        print(f"warning: {len(index) - num:,} patches have no features in {path}.")


def _network(name: str, path: Path, size: int) -> Network:
    is_published = name in architectures.ARCHITECTURES
    match path.suffix:
        case ".keras" | ".h5" if is_published:
            network = keras_networks.published(name, path, size)
        case ".keras":
            network = keras_networks.whole(path, size)
        case ".onnx":
            network = onnx_networks.read(path, size)
        case ".h5":
            raise InputError(
                f"{path} holds weights without their network, and {name!r} names none; expected "
                f"one of {', '.join(architectures.ARCHITECTURES)} as its name in probe.networks."
            )
        case ".npy":
            raise InputError(
                f"{path} doesn't say whose features it holds; expected an .npz with the arrays "
                f"`id` and `features`. Write it with `{own_features.MEND}`."
            )
        case suffix:
            raise InputError(
                f"{path} ends in {suffix!r}; expected .keras, .h5, .onnx or .npz (docs/probe.md)."
            )
    if (network.height, network.width) != (size, size):
        print(
            f"features: patches are resized from {size}x{size} to the network's "
            f"{network.height}x{network.width} pixels"
        )
    return network


def _write(
    network: Network, path: Path, patches: shards.Patches, index: pd.DataFrame, folder: Path
) -> tuple[int, int]:
    """Write the features, batch by batch; return their rows and columns."""
    places = shards.places(index)
    matrix = None
    with tqdm(total=len(index), desc="features", unit=" patches", disable=None) as bar:
        for start in range(0, len(index), network.batch_size):
            batch = patches.take(places[start : start + network.batch_size])
            half = feature_files.to_half(network.features(batch), path)
            if matrix is None:
                matrix = feature_files.create(folder, index, half.shape[1])
            matrix[start : start + len(half)] = half
            bar.update(len(half))
    if matrix is None:
        raise InputError("there are no patches; run `dvc repro crop` first.")
    return matrix.shape
