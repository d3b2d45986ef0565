"""Tests of `train.workers`: the shares of several workers are the batch of one."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.patches import write_shards
from helpers.training import PARAMS
from metastasis.patches import shards
from metastasis.train import augmenting, feeding, train_params
from metastasis.train.workers import ALONE, Worker

NOISE = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)


@given(num=st.integers(1, 6), size=st.integers(1, 5))
def test_the_shares_follow_each_other_and_are_the_whole_batch(num: int, size: int) -> None:
    rows = np.arange(num * size)
    shares = [rows[Worker(index, num).share(len(rows))] for index in range(num)]
    assert {len(share) for share in shares} == {size}
    assert np.array_equal(np.concatenate(shares), rows)


def test_one_worker_is_the_chief_has_all_rows_and_hears_what_it_says() -> None:
    assert ALONE.is_chief
    assert ALONE.share(5) == slice(0, 5)
    assert ALONE.hear("word") == "word"
    assert not Worker(1, 2).is_chief


@pytest.mark.parametrize("geometry", ["none", "d4", "affine"])
def test_a_patch_changes_in_a_share_as_in_the_whole_batch(
    geometry: train_params.Geometry,
) -> None:
    params = PARAMS.model_copy(update={"geometry": geometry})

    def changed(worker: Worker) -> shards.UInt8:
        own = NOISE[worker.share(len(NOISE))]
        return augmenting.augment(own, np.random.default_rng(1), params, worker)

    whole = changed(ALONE)
    assert not np.array_equal(whole, NOISE)
    for num in (2, 3):
        shares = [changed(Worker(index, num)) for index in range(num)]
        assert np.array_equal(np.concatenate(shares), whole)


def test_each_worker_reads_its_share_of_each_batch_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(tmp_path, 22, size=8)
    patches = shards.read(tmp_path)
    whole = feeding.Feed(
        patches=patches,
        places=shards.places(patches.index),
        labels=np.arange(22, dtype=np.float32),
        batch_size=6,
        seed=3,
        augment=partial(augmenting.augment, params=PARAMS),
    )
    read: list[int] = []
    take = shards.Patches.take

    def noted(patches: shards.Patches, places: shards.Places) -> shards.UInt8:
        read.extend(places[:, 1])
        return take(patches, places)

    monkeypatch.setattr(shards.Patches, "take", noted)
    expected = [whole.batch(step) for step in range(6)]
    seen_by_one = sorted(read)
    seen_by_two = []
    for worker in (Worker(0, 2), Worker(1, 2)):
        read.clear()
        augment = partial(augmenting.augment, params=PARAMS, worker=worker)
        feed = replace(whole, augment=augment, worker=worker)
        shares = [*feed.epoch(0).as_numpy_iterator(), *feed.epoch(1).as_numpy_iterator()]
        own = worker.share(6)
        for (pixels, labels), (all_pixels, all_labels) in zip(shares, expected, strict=True):
            assert np.array_equal(pixels, all_pixels[own])
            assert np.array_equal(labels, all_labels[own])
        assert len(read) == 6 * 3
        seen_by_two += read
    assert sorted(seen_by_two) == seen_by_one
