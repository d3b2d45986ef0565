"""Converts a saved network of this project for another runtime, in a process of its own.

What computes with the result needs no Keras, whose import takes seconds and half a gigabyte.
"""

import os
import subprocess
import sys
from pathlib import Path

from metastasis.base.errors import InputError

SOURCE = Path(__file__).parents[2]  # the code of this tree
CONVERTER = "metastasis.engines.converter"  # the module that the process runs
REFUSED = 3  # exit code of the process, which has printed why


def convert(network_path: Path, out_path: Path) -> None:
    """Write the .keras file's network to `out_path`: .xml with .bin (OpenVINO), or .onnx.

    A process of its own does it, where names are counted from the beginning: the same network gives
    the same bytes. Whatever the exporters print stays there.

    Raises:
        InputError: the format's extra isn't installed, or the file holds another kind of network.
    """
    out_path.parent.mkdir(parents=True, exist_ok=True)
    found = subprocess.run(  # noqa: S603  # this project's own
        [sys.executable, "-m", CONVERTER, str(network_path), str(out_path)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == REFUSED:
        raise InputError(found.stdout.strip().splitlines()[-1])
    if found.returncode:
        raise RuntimeError(f"{network_path} wasn't converted to {out_path}:\n{found.stderr}")
