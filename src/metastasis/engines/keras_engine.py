"""Computes logits with Keras, as the stages of the pipeline do by default."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from metastasis import models
from metastasis.base.errors import InputError

BATCH_SIZE = 256


class KerasEngine:
    """Keras's network in a .keras file."""

    def __init__(self, network_path: Path, num_threads: int | None = None) -> None:
        """Read the network, to compute with some threads; None: with one for each processor.

        Raises:
            InputError: Keras can't, or it isn't a final network.
        """
        if num_threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(num_threads)
            tf.config.threading.set_inter_op_parallelism_threads(num_threads)
        try:
            self._network = models.to_logits(keras.saving.load_model(network_path))
        except Exception as error:  # noqa: BLE001  # Keras raises any kind for a mistaken file
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{network_path} can't be opened by Keras {keras.__version__} ({reason}); expected "
                "a network of the stage `evaluate`. Copy it again, or run `dvc repro`."
            ) from None

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (n,) of patches (n, size, size, 3), `BATCH_SIZE` at a time."""
        logits = np.empty(len(patches), np.float32)
        for start in range(0, len(patches), BATCH_SIZE):
            # TensorFlow complains of a transposed uint8, as in a model with flips and turns.
            batch = patches[start : start + BATCH_SIZE].astype(np.float32)
            logits[start : start + len(batch)] = self._network.predict_on_batch(batch)[:, 0]
        return logits
