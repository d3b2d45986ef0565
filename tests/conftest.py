"""Small sources in Kaggle's layout, made of noise with known ids, for the tests of any stage."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from metastasis.base import settings

settings.apply()  # before the libraries are imported, as a stage does

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from numpy.typing import NDArray  # noqa: E402


def sha1(patch: NDArray[np.uint8]) -> str:
    return hashlib.sha1(patch.tobytes()).hexdigest()  # noqa: S324  # Kaggle's ids, no secret


def write_tif(path: Path, patch: NDArray[np.uint8]) -> None:
    assert cv2.imwrite(str(path), cv2.cvtColor(patch, cv2.COLOR_RGB2BGR))


def assert_same_bytes(first: Path, second: Path, num_files: int) -> None:
    """Hold the `num_files` files below `first` equal to their twins below `second`."""
    written = [path for path in first.rglob("*") if path.is_file()]
    assert len(written) == num_files
    for path in written:
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


def unsettle(network: Any) -> None:  # noqa: ANN401  # keras.Model; Keras ships no types
    """Give `network` weights and statistics that no initialiser gives, as training would."""
    random = np.random.default_rng(0)
    network.set_weights(
        [
            weight * random.uniform(0.5, 1.5, weight.shape)
            if weight.ndim > 1
            else weight + random.uniform(0, 0.5, weight.shape)
            for weight in network.get_weights()
        ]
    )


@pytest.fixture
def patches() -> NDArray[np.uint8]:
    """24 patches of noise: 20 with labels (even ones positive), 4 to be predicted."""
    return np.random.default_rng(0).integers(0, 256, (24, 96, 96, 3), np.uint8)


@pytest.fixture
def source(tmp_path: Path, patches: NDArray[np.uint8]) -> Path:
    """Those 24 patches as a folder in Kaggle's layout, on 10 slides of 2 labelled patches."""
    folder = tmp_path / "source"
    ids = [sha1(patch) for patch in patches]
    for name, chosen in (("train", slice(0, 20)), ("test", slice(20, 24))):
        (folder / name).mkdir(parents=True)
        for patch, id_ in zip(patches[chosen], ids[chosen], strict=True):
            write_tif(folder / name / f"{id_}.tif", patch)
    labels = pd.DataFrame({"id": ids[:20], "label": [1, 0] * 10})
    labels.to_csv(folder / "train_labels.csv", index=False)
    slides = pd.DataFrame({"id": ids[:20], "slide": [f"s{index // 2}" for index in range(20)]})
    slides.to_csv(folder / "slides.csv", index=False)
    submission = pd.DataFrame({"id": sorted(ids[20:], reverse=True), "label": 0})
    submission.to_csv(folder / "sample_submission.csv", index=False)
    return folder
