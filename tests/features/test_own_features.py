"""Tests of `features.own_features`: rows go to the patches that their ids name."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from metastasis import feature_files
from metastasis.base.errors import InputError
from metastasis.features import own_features

INDEX = pd.DataFrame(
    {"id": ["a", "b", "c", "a"], "pool": ["labelled", "labelled", "labelled", "unlabelled"]}
)
NUM, WIDTH = 5000, 6  # more rows than are read at a time


@pytest.fixture
def arrays() -> dict[str, NDArray[Any]]:
    """Features of many patches in disorder, of which three are in the index."""
    random = np.random.default_rng(0)
    ids = np.array([f"x{number}" for number in range(NUM)])
    ids[[4321, 7, 2500]] = ["a", "b", "c"]
    return {"id": ids, "features": random.normal(size=(NUM, WIDTH))}


def copied(
    folder: Path, arrays: dict[str, Any], index: pd.DataFrame = INDEX
) -> feature_files.Features:
    path = folder / "features.npz"
    np.savez(path, **arrays)
    own_features.copy(path, index, folder)
    return feature_files.read(folder)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_each_row_goes_to_every_patch_of_its_id(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], dtype: type
) -> None:
    found = copied(tmp_path, arrays | {"features": arrays["features"].astype(dtype)})
    expected = arrays["features"][[4321, 7, 2500, 4321]]
    assert found.matrix == pytest.approx(expected, abs=2e-3)
    assert found.index["id"].tolist() == ["a", "b", "c", "a"]
    assert found.of(pd.Series(["c", "a"])) == pytest.approx(expected[[2, 0]], abs=2e-3)


def test_numbers_as_ids_are_read_as_text(tmp_path: Path) -> None:
    index = pd.DataFrame({"id": ["12", "7"], "pool": "labelled"})
    features = np.arange(4.0).reshape(2, 2)
    found = copied(tmp_path, {"id": np.array([7, 12]), "features": features}, index)
    assert found.matrix.tolist() == [[2, 3], [0, 1]]


def test_a_patch_without_features_is_left_out_and_refused_when_it_is_needed(
    tmp_path: Path, arrays: dict[str, NDArray[Any]]
) -> None:
    is_kept = arrays["id"] != "b"
    found = copied(tmp_path, {name: array[is_kept] for name, array in arrays.items()})
    assert found.index["id"].tolist() == ["a", "c", "a"]
    with pytest.raises(InputError, match=r"1 of 2 patches of the split have no features \(b\)"):
        found.of(pd.Series(["a", "b"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "can't be read .*id"),
        ({"features": None}, "can't be read .*features"),
        ({"id": np.array(["a", "b", "a"] * 2)}, r"has 2 ids twice \(a, b\)"),
        ({"id": np.array(["u", "v", "w", "x", "y"])}, r"features of other patches: of its 5 ids"),
        ({"id": np.array(["a"])}, "has 1 ids and 5,000 rows of features"),
        ({"id": np.array([["a"]])}, r"has the shape \(1, 1\) and the type <U1"),
        ({"id": np.array([0.5])}, r"has the shape \(1,\) and the type float64"),
        ({"id": np.array(["a", None], object)}, "`id` can't be read .*id=np.array"),
        ({"features": np.zeros(NUM)}, r"has the shape \(5000,\) and the type float64"),
        ({"features": np.zeros((NUM, 1))}, r"has the shape \(5000, 1\)"),
        ({"features": np.zeros((NUM, 2), np.int64)}, "the type int64; expected floats"),
        ({"features": np.zeros((2, NUM)).T}, "by columns; expected floats"),
        ({"features": np.full((NUM, 2), np.nan)}, "gives a feature of nan; expected numbers"),
        ({"features": np.full((NUM, 2), 7e4)}, "gives a feature of 70000; expected numbers"),
    ],
)
def test_arrays_of_another_form_are_refused(
    tmp_path: Path,
    arrays: dict[str, NDArray[Any]],
    changes: dict[str, NDArray[Any] | None],
    message: str,
) -> None:
    given = {name: array for name, array in (arrays | changes).items() if array is not None}
    with pytest.raises(InputError, match=message):
        copied(tmp_path, given)


def test_a_truncated_or_foreign_file_is_named(
    tmp_path: Path, arrays: dict[str, NDArray[Any]]
) -> None:
    copied(tmp_path, arrays)
    path = tmp_path / "features.npz"
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    for content in (whole[:-100], whole[:3000], b"", bytes(range(256)), bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"features\.npz can't be read"):
            own_features.copy(path, INDEX, tmp_path)


def test_a_damaged_file_packed_by_lzma_is_named(
    tmp_path: Path, arrays: dict[str, NDArray[Any]]
) -> None:
    copied(tmp_path, arrays)
    path = tmp_path / "features.npz"
    with zipfile.ZipFile(path) as given:
        content = {name: given.read(name) for name in given.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as packed:
        for name, array in content.items():
            packed.writestr(name, array)
    damaged = path.read_bytes()
    start = damaged.index(b"id.npy") + len(b"id.npy") + 9  # behind LZMA's own header
    path.write_bytes(damaged[:start] + b"\xff" * 20 + damaged[start + 20 :])
    with pytest.raises(InputError, match=r"features\.npz can't be read"):
        own_features.copy(path, INDEX, tmp_path)


def test_a_header_that_claims_more_than_the_file_holds_takes_no_room(tmp_path: Path) -> None:
    ids = np.array(["a", "b"])
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (2, 10**12)}
    )
    np.savez(tmp_path / "ids.npz", id=ids)
    with (
        zipfile.ZipFile(tmp_path / "ids.npz") as given,
        zipfile.ZipFile(tmp_path / "features.npz", "w") as archive,
    ):
        archive.writestr("id.npy", given.read("id.npy"))
        archive.writestr("features.npy", header.getvalue() + bytes(100))
    with pytest.raises(InputError, match="the array `features` ends early"):
        own_features.copy(tmp_path / "features.npz", INDEX, tmp_path)
    assert not (tmp_path / feature_files.FEATURES_NAME).exists()


def test_ids_of_bytes_outside_ascii_are_refused(
    tmp_path: Path, arrays: dict[str, NDArray[Any]]
) -> None:
    arrays["id"] = np.char.encode(arrays["id"], "utf-8")
    arrays["id"][0] = "ä".encode()
    with pytest.raises(InputError, match="bytes that aren't ASCII"):
        copied(tmp_path, arrays)
