"""Tests of `patches.shards`: what is written is what is taken, wherever shards end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.patches import write_shards
from metastasis.patches import shards


@given(
    num=st.integers(1, 40), rows=st.integers(1, 12), step=st.integers(1, 30), seed=st.integers(0, 9)
)
def test_any_patches_are_taken_as_they_were_written_in_any_order(
    num: int, rows: int, step: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_ROWS", rows)
        written = write_shards(folder, num, step=step)
    opened = shards.read(folder)
    chosen = np.random.default_rng(seed).integers(0, num, 2 * num)
    ids = pd.Series([f"p{number}" for number in chosen])
    taken = opened.take(opened.locate(ids, "labelled"))
    assert np.array_equal(taken, written[chosen])
    assert len(shards.paths(folder)) == -(-num // rows)


def test_an_id_of_the_other_pool_is_not_found(tmp_path: Path) -> None:
    write_shards(tmp_path, 3)
    with pytest.raises(KeyError, match="p1"):
        shards.read(tmp_path).locate(pd.Series(["p1"]), "unlabelled")


def test_the_same_patches_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_shards(tmp_path / name, 5)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_shards_are_in_the_order_of_their_numbers_beyond_a_thousand(tmp_path: Path) -> None:
    for number in (1000, 999, 101):
        (tmp_path / f"{number:03d}.npy").touch()
    assert [path.stem for path in shards.paths(tmp_path)] == ["101", "999", "1000"]
