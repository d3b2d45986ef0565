"""Small sources in Kaggle's layout, made of noise with known ids, for the tests of any stage."""

import sys
from pathlib import Path

import hypothesis
import pytest

from metastasis.base import settings

pytest.register_assert_rewrite("helpers")
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("untimed")
settings.apply()  # before the libraries are imported, as a stage does

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from helpers.patches import sha1, write_tif  # noqa: E402


def pytest_runtest_setup() -> None:
    """Draw the same random weights in each run: a test that fails must fail again."""
    if "keras" in sys.modules:  # tests without networks don't wait for it
        sys.modules["keras"].utils.set_random_seed(1)


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
