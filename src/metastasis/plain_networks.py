"""Checks that a .keras archive holds a plain network and nothing else, before Keras opens it.

Keras refuses much in its safe mode, but not all that a made-up archive can do: layers that read
files of the machine or run a saved graph, functions by their names, weights that unpack without
end. A network of this project is made of few kinds of layers. So all others are refused, and
nothing in the archive is run to find out.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metastasis.base.errors import InputError
from metastasis.pretrained import weights

CONFIG_NAME = "config.json"
MEMBERS = {CONFIG_NAME, "metadata.json", "model.weights.h5"}
MAX_CONFIG_BYTES = 2**25  # 400 times that of an ensemble of three DenseNets

# Every class that a saved network of `models` names, by its module.
PLAIN = {
    None: {"__keras_tensor__"},  # where a layer's input comes from
    "keras": {"DTypePolicy"},
    "keras.src.models.functional": {"Functional"},
    "keras.initializers": {"GlorotUniform", "Ones", "VarianceScaling", "Zeros"},
    "keras.layers": {
        "Activation",
        "Add",
        "Average",
        "AveragePooling2D",
        "BatchNormalization",
        "Concatenate",
        "Conv2D",
        "Cropping2D",
        "Dense",
        "DepthwiseConv2D",
        "Dropout",
        "Flatten",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling2D",
        "InputLayer",
        "MaxPooling2D",
        "Multiply",
        "Normalization",
        "Permute",
        "ReLU",
        "Rescaling",
        "Reshape",
        "UpSampling2D",
        "ZeroPadding2D",
    },
}
AGAIN = "Use a model of the stage `evaluate`, from a source that you trust."


def require(path: Path, input_size: int | None = None) -> None:
    """Raise InputError unless the archive at `path` holds a plain network.

    With `input_size`, it also has to take RGB patches of that many pixels a side.

    Its weights are read, since they too may be damaged, or unpack to more than 2 GB.
    """
    try:
        config = json.loads(_config(path))
        other = sorted(set(_others(config)))
    except weights.UNREADABLE as error:
        raise InputError(f"{path} is no readable .keras archive ({error}). {AGAIN}") from None
    if other:
        raise InputError(
            f"{path} holds {', '.join(other)}, which no network of this project has and which may "
            f"run code or read files: it isn't opened. {AGAIN}"
        )
    if input_size is not None:
        _require_input(path, config, input_size)
    weights.read(path)


def _require_input(path: Path, config: Any, size: int) -> None:  # noqa: ANN401  # JSON's own values
    expected = [None, size, size, 3]
    try:
        layers = config["config"]["layers"]
        found = [
            each["config"]["batch_shape"] for each in layers if each["class_name"] == "InputLayer"
        ]
    except (LookupError, TypeError):
        found = []
    if found != [expected]:
        raise InputError(
            f"{path} takes {' and '.join(map(str, found)) or 'no input that is known'}; expected "
            f"{expected}: any number of RGB patches of {size}x{size}, as the card beside it says. "
            f"{AGAIN}"
        )


def _config(path: Path) -> bytes:
    """Return the description of the network, if the archive holds what it should and no more."""
    with zipfile.ZipFile(path) as archive:
        names = Counter(archive.namelist())
        if other := set(names) - MEMBERS:
            raise ValueError(f"it also holds {', '.join(sorted(other))}")
        # Another reader might take the other one.
        if repeated := sorted(name for name, count in names.items() if count > 1):
            raise ValueError(f"it holds {', '.join(repeated)} more than once")
        member = archive.getinfo(CONFIG_NAME)
        if member.file_size > MAX_CONFIG_BYTES:
            raise ValueError(f"{CONFIG_NAME} would unpack to {member.file_size:,} bytes")
        return archive.read(member)


def _others(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON's own values
    """Yield the names of all objects in a config that aren't of a plain network."""
    if isinstance(value, dict):
        if "class_name" in value:
            name, module = value["class_name"], value.get("module")
            registered = value.get("registered_name")
            if name not in PLAIN.get(module, ()) or registered not in {None, name}:
                yield ".".join(filter(None, (module, str(registered or name))))
        for item in value.values():
            yield from _others(item)
    elif isinstance(value, list):
        for item in value:
            yield from _others(item)
