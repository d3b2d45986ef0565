"""Tests of `train.feeding`: an epoch is every patch once, and any step can be redone."""

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from helpers.patches import write_shards
from helpers.training import PARAMS
from metastasis.base import chance
from metastasis.patches import shards
from metastasis.train import augmenting, feeding


@pytest.fixture
def feed(tmp_path: Path) -> feeding.Feed:
    write_shards(tmp_path, 22, size=8)
    patches = shards.read(tmp_path)
    return feeding.Feed(
        patches=patches,
        places=shards.places(patches.index),
        labels=np.arange(22, dtype=np.float32),
        batch_size=5,
        seed=3,
        augment=partial(augmenting.augment, params=PARAMS),
    )


def test_an_epoch_holds_no_patch_twice_and_each_epoch_has_its_order(feed: feeding.Feed) -> None:
    assert feed.num_steps == 4
    epochs = [
        np.concatenate([feed.batch(4 * epoch + step)[1][:, 0] for step in range(4)])
        for epoch in range(2)
    ]
    assert all(len(set(labels)) == 20 for labels in epochs)
    assert not np.array_equal(epochs[0], epochs[1])


def test_patch_and_label_stay_together(feed: feeding.Feed) -> None:
    plain = feeding.Feed(**{**vars(feed), "augment": lambda patches, _: patches})
    batch, labels = plain.batch(2)
    expected = plain.patches.take(plain.places[labels[:, 0].astype(int)])
    assert np.array_equal(batch, expected)


def test_any_step_is_redone_in_the_same_bytes(feed: feeding.Feed) -> None:
    first = [feed.batch(step) for step in range(12)]
    for step in reversed(range(12)):
        pairs = zip(map(np.asarray, first[step]), map(np.asarray, feed.batch(step)), strict=True)
        assert all(np.array_equal(mine, again) for mine, again in pairs)


def test_augmentation_differs_from_epoch_to_epoch(feed: feeding.Feed) -> None:
    def patch_of(label: int, epoch: int) -> np.ndarray:
        for step in range(4 * epoch, 4 * epoch + 4):
            batch, labels = feed.batch(step)
            found = np.flatnonzero(labels[:, 0] == label)
            if len(found):
                return np.asarray(batch[found[0]])
        return np.empty(0)

    patches = [patch_of(7, epoch) for epoch in range(8)]
    seen = [patch.tobytes() for patch in patches if len(patch)]
    assert len(seen) >= 5
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_an_epochs_dataset_is_its_batches_in_order(feed: feeding.Feed, epoch: int) -> None:
    batches = list(feed.epoch(epoch).as_numpy_iterator())
    assert len(batches) == 4
    for step, (patches, labels) in enumerate(batches, 4 * epoch):
        expected = feed.batch(step)
        assert np.array_equal(patches, expected[0])
        assert np.array_equal(labels, expected[1])


def test_batches_are_made_side_by_side_also_in_deterministic_tensorflow(
    feed: feeding.Feed,
) -> None:
    tf.config.experimental.enable_op_determinism()
    both = threading.Barrier(2, timeout=30)

    def meet(patches: shards.UInt8, _: np.random.Generator) -> shards.UInt8:
        both.wait()  # raises if nobody else comes
        return patches

    meeting = feeding.Feed(**{**vars(feed), "augment": meet})
    assert len(list(meeting.epoch(0))) == 4


def test_the_order_and_the_augmentation_draw_from_streams_of_their_own() -> None:
    first, second = chance.generator(3, 0), chance.generator(3, 0, 0)
    assert not np.array_equal(first.integers(0, 1000, 8), second.integers(0, 1000, 8))


def test_patches_in_order_are_all_there_and_the_last_batch_goes_on_with_the_first(
    feed: feeding.Feed,
) -> None:
    places = shards.places(feed.patches.index)
    ordered = feeding.in_order(feed.patches, places, 5)
    for _ in range(2):  # validation goes over it in every epoch
        batches = list(ordered.as_numpy_iterator())
        assert [len(batch) for batch in batches] == [5] * 5
        patches, all_patches = np.concatenate(batches), feed.patches.take(places)
        assert np.array_equal(patches, np.concatenate([all_patches, all_patches[:3]]))


def test_another_seed_gives_another_order(feed: feeding.Feed) -> None:
    other = feeding.Feed(**{**vars(feed), "seed": 4})
    assert not np.array_equal(feed.batch(0)[1], other.batch(0)[1])
