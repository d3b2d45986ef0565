"""Defines what an engine is, and opens one by its name. The modules beside it compute.

Callers choose the patches, and what becomes of the logits.
"""

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from metastasis.engines import keras_engine

EngineName = Literal["keras"]


class Engine(Protocol):
    """A network that is ready to compute."""

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logit of tumour (n,) of any number of patches (n, size, size, 3), RGB."""
        ...


def open_engine(name: EngineName, network_path: Path) -> Engine:
    """Return the engine `name` with the network in the file."""
    return {"keras": keras_engine.KerasEngine}[name](network_path)
