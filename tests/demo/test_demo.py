"""The demo has Kaggle's layout and label rule, and is no toy that colours alone would solve."""

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metastasis.base import params
from metastasis.base.errors import InputError
from metastasis.demo import demo, demo_params
from metastasis.ingest import overlapping
from metastasis.patches import shards

PARAMS = demo_params.DemoParams(
    seed=4, num_slides=48, num_patches=720, num_test_slides=6, num_test_patches=61
)
TINY = demo_params.DemoParams(
    seed=4, num_slides=12, num_patches=96, num_test_slides=3, num_test_patches=12
)


@dataclass(frozen=True)
class Demo:
    """A drawn demo, read back."""

    source: Path
    labelled: pd.DataFrame  # id, label, slide
    test: pd.DataFrame  # id, label
    masks: dict[str, np.ndarray]  # id to (96, 96) bool
    patches: dict[str, np.ndarray]  # id to (96, 96, 3) uint8, RGB; labelled and test


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("drawn")
    source, truth = folder / "demo", folder / "demo-truth"
    demo.draw(PARAMS, source, truth, num_workers=1)
    slides = pd.read_csv(source / "slides.csv")
    rows = pd.read_csv(truth / "masks.csv")
    masks = np.unpackbits(np.load(truth / "masks.npy"), axis=-1).astype(bool)
    files = [*(source / "train").iterdir(), *(source / "test").iterdir()]
    return Demo(
        source=source,
        labelled=pd.read_csv(source / "train_labels.csv").merge(slides, validate="1:1"),
        test=pd.read_csv(truth / "test_labels.csv"),
        masks=dict(zip(rows["id"], masks, strict=True)),
        patches={path.stem: read_rgb(path) for path in files},
    )


def read_rgb(path: Path) -> np.ndarray:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))[:, :, ::-1]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_layout_is_kaggles(drawn: Demo) -> None:
    assert {path.name for path in drawn.source.iterdir()} == {
        "train",
        "test",
        "train_labels.csv",
        "sample_submission.csv",
        "slides.csv",
        "metastasis-source.json",
    }
    submission = pd.read_csv(drawn.source / "sample_submission.csv")
    assert list(submission.columns) == ["id", "label"]
    assert (submission["label"] == 0).all()
    assert list(pd.read_csv(drawn.source / "train_labels.csv").columns) == ["id", "label"]
    assert list(pd.read_csv(drawn.source / "slides.csv").columns) == ["id", "slide"]
    for folder, ids in (("train", drawn.labelled["id"]), ("test", submission["id"])):
        names = {path.name for path in (drawn.source / folder).iterdir()}
        assert names == {f"{id_}.tif" for id_ in ids}
    assert len(drawn.labelled) == PARAMS.num_patches
    assert len(drawn.test) == PARAMS.num_test_patches


def test_every_image_is_an_uncompressed_tiff_named_by_the_hash_of_its_pixels(drawn: Demo) -> None:
    for id_, patch in drawn.patches.items():
        assert patch.shape == (96, 96, 3)
        assert patch.dtype == np.uint8
        assert hashlib.sha1(patch.tobytes(), usedforsecurity=False).hexdigest() == id_
    sizes = {path.stat().st_size for path in (drawn.source / "train").iterdir()}
    assert min(sizes) > 96 * 96 * 3
    assert max(sizes) < 28_000


def test_a_label_is_1_exactly_when_the_central_32x32_holds_tumour(drawn: Demo) -> None:
    labels = pd.concat([drawn.labelled, drawn.test])
    for id_, label in zip(labels["id"], labels["label"], strict=True):
        assert drawn.masks[id_][32:64, 32:64].any() == (label == 1)
    assert len(drawn.masks) == len(labels)


def test_about_40_percent_of_the_patches_are_positive(drawn: Demo) -> None:
    assert 0.38 <= drawn.labelled["label"].mean() <= 0.42
    assert 0.38 <= drawn.test["label"].mean() <= 0.42


def test_many_negatives_hold_tumour_outside_the_centre(drawn: Demo) -> None:
    negatives = drawn.labelled["id"][drawn.labelled["label"] == 0]
    share = np.mean([drawn.masks[id_].any() for id_ in negatives])
    assert 0.1 < share < 0.5


def test_a_third_of_the_slides_have_no_tumour_at_all(drawn: Demo) -> None:
    has_tumour = drawn.labelled["id"].map(lambda id_: drawn.masks[id_].any())
    assert (~has_tumour.groupby(drawn.labelled["slide"]).any()).sum() == PARAMS.num_slides // 3


def test_slides_are_of_unequal_size_and_share_of_tumour(drawn: Demo) -> None:
    slides = drawn.labelled.groupby("slide")["label"]
    assert len(slides) == PARAMS.num_slides
    assert slides.size().max() > 2 * slides.size().min()
    shares = slides.mean()[lambda share: share > 0]
    assert shares.max() - shares.min() > 0.3


def test_colour_means_alone_dont_tell_tumour_on_slides_held_out(drawn: Demo) -> None:
    means = np.array([drawn.patches[id_].mean(axis=(0, 1)) for id_ in drawn.labelled["id"]])
    labels, slides = drawn.labelled["label"].to_numpy(), drawn.labelled["slide"].to_numpy()
    for seed in range(4):
        chosen = np.random.default_rng(seed).permutation(np.unique(slides))[:16]
        held_out = np.isin(slides, chosen)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(means[~held_out], labels[~held_out])
        scores = model.predict_proba(means[held_out])[:, 1]
        assert roc_auc_score(labels[held_out], scores) < 0.75


def overlapping_pairs(drawn: Demo, folder: Path) -> pd.DataFrame:
    """Return the pairs of labelled patches that share pixels: ids, and the shift in pixels."""
    ids = list(drawn.labelled["id"])
    with contextlib.closing(shards.Writer(folder, shards.PATCH_SIZE)) as writer:
        places = writer.extend(np.array([drawn.patches[id_] for id_ in ids]))
    index = pd.DataFrame(places, columns=shards.PLACE).assign(id=ids, pool="labelled")
    shards.write_index(folder, index)
    found = overlapping.find(shards.read(folder), places)
    pairs = pd.DataFrame(found, columns=["first", "second", "down", "right"])
    for side in ("first", "second"):
        pairs[side] = [ids[row] for row in pairs[side]]
    return pairs


def test_some_patches_of_a_slide_overlap_and_more_where_there_is_tumour(
    drawn: Demo, tmp_path: Path
) -> None:
    pairs = overlapping_pairs(drawn, tmp_path)
    facts = drawn.labelled.set_index("id")
    slide, label = (
        {side: pairs[side].map(facts[name]) for side in ("first", "second")}
        for name in ("slide", "label")
    )
    assert len(pairs)
    assert (slide["first"] == slide["second"]).all()
    assert (pairs[["down", "right"]] % 16 == 0).all(axis=None)
    num_positive, num_negative = (
        ((label["first"] == value) & (label["second"] == value)).sum() for value in (1, 0)
    )
    assert num_positive > num_negative


def test_where_two_patches_overlap_they_show_the_same_tumour(drawn: Demo, tmp_path: Path) -> None:
    for first, second, down, right in overlapping_pairs(drawn, tmp_path).itertuples(index=False):
        rows, columns = (np.arange(max(shift, 0), min(96 + shift, 96)) for shift in (down, right))
        mine = drawn.masks[first][np.ix_(rows, columns)]
        theirs = drawn.masks[second][np.ix_(rows - down, columns - right)]
        np.testing.assert_array_equal(mine, theirs)


def test_scanners_and_stains_vary_more_between_slides_than_within(drawn: Demo) -> None:
    means = pd.DataFrame(
        [drawn.patches[id_].mean(axis=(0, 1)) for id_ in drawn.labelled["id"]], columns=list("rgb")
    )
    tint = (means["b"] - means["r"]).groupby(drawn.labelled["slide"])
    assert tint.mean().std() > tint.std().mean()


def test_the_same_seed_gives_the_same_bytes_however_many_workers(tmp_path: Path) -> None:
    for num_workers in (1, 2):
        folder = tmp_path / str(num_workers)
        demo.draw(TINY, folder / "demo", folder / "demo-truth", num_workers=num_workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_another_seed_gives_other_patches(tmp_path: Path) -> None:
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        other = TINY.model_copy(update={"seed": seed})
        demo.draw(other, folder / "demo", folder / "demo-truth", num_workers=1)
    names = [set(contents(tmp_path / str(seed) / "demo" / "train")) for seed in (1, 2)]
    assert not names[0] & names[1]


def test_more_patches_dont_change_what_slides_look_like() -> None:
    few, many = (
        demo._slides(TINY.model_copy(update={"num_patches": num}))  # noqa: SLF001  # no images needed
        for num in (96, 960)
    )
    assert [slide.key for slide in few] == [slide.key for slide in many]


@settings(deadline=None)
@given(num_slides=st.integers(3, 300), extra=st.integers(0, 30_000), seed=st.integers(0, 2**32 - 1))
def test_patches_are_shared_out_whole_at_every_size(num_slides: int, extra: int, seed: int) -> None:
    num_patches = num_slides + extra
    shape = demo_params.DemoParams(
        seed=seed,
        num_slides=num_slides,
        num_patches=num_patches,
        num_test_slides=3,
        num_test_patches=3,
    )
    slides = [slide for slide in demo._slides(shape) if slide.pool == "train"]  # noqa: SLF001  # no images needed
    sizes = [slide.num_positive + slide.num_negative for slide in slides]
    num_positive = sum(slide.num_positive for slide in slides)
    assert len(slides) == num_slides
    assert sum(sizes) == num_patches
    assert min(sizes) >= 1
    assert all(slide.num_negative >= 0 for slide in slides)
    assert sum(slide.num_positive == 0 for slide in slides) >= round(num_slides / 3)
    if num_patches >= 8 * num_slides:
        assert 0.38 <= num_positive / num_patches <= 0.42


def test_patches_that_repeat_each_other_are_an_error(tmp_path: Path) -> None:
    alike = pd.DataFrame(
        {"id": ["a", "b", "a"], "pool": "train", "slide": "train_000", "label": [0, 1, 0]}
    )
    with pytest.raises(InputError, match=r"1 of 3 drawn patches repeat.*\(first: a\).*demo\.seed"):
        demo._write_tables(alike, tmp_path, tmp_path)  # noqa: SLF001  # no seed is known that does this
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "num_patches: 11",
            "num_patches = 11 gives num_slides = 12 slides less than one patch each",
        ),
        ("num_test_patches: 2", "demo.num_test_patches is 2: should be greater than or equal to 3"),
        ("seed: -1", "demo.seed is -1: should be greater than or equal to 0"),
        ("num_slides: 12.5", "demo.num_slides is 12.5"),
    ],
)
def test_a_bad_size_names_the_key_and_what_is_accepted(
    tmp_path: Path, change: str, message: str
) -> None:
    lines = [f"{key}: {value}" for key, value in TINY.model_dump().items()]
    key = change.split(":", maxsplit=1)[0]
    lines = [change if line.startswith(f"{key}:") else line for line in lines]
    path = tmp_path / "params.yaml"
    path.write_text("demo:\n" + "".join(f"  {line}\n" for line in lines))
    with pytest.raises(InputError) as caught:
        params.read("demo", demo_params.DemoParams, path)
    assert message in str(caught.value)
