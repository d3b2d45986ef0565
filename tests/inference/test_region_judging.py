"""Tests of scoring regions, with an engine whose logits are known: the red of a patch's middle."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers import crews, pyramids
from helpers.crews import Middle, Shuffled
from metastasis.inference import finding, region_judging, unfinished, working
from metastasis.inference.crews import Alone
from metastasis.inference.finding import Failure, Image
from metastasis.inference.region_judging import Judged, Scored
from metastasis.inference.unfinished import State


def write(folder: Path, **pictures: NDArray[np.uint8]) -> list[Image]:
    folder.mkdir(exist_ok=True)
    for name, pixels in pictures.items():
        pyramids.write(folder / f"{name}.tif", pixels, 1.0, factors=(1, 2), compression="deflate")
    return finding.find([folder], folder / "output")[0]


def judge(
    output: Path, images: list[Image], crew: Alone | Shuffled, stride: int = 32
) -> list[tuple[Image, Judged | Failure]]:
    def state_of(image: Image, size: tuple[int, int], um_per_pixel: float) -> State:
        facts = {"um": um_per_pixel}
        return unfinished.state(output, size, region_judging.BAND, facts, [image.path])

    found: list[tuple[Image, Judged | Failure]] = []
    try:
        region_judging.judge_regions(
            images, crew, stride, state_of, lambda *each: found.append(each)
        )
    finally:
        crew.worker.close()
    return found


def only(
    folder: Path, pixels: NDArray[np.uint8], engine: Middle, stride: int = 32
) -> Judged | Failure:
    images = write(folder / "only", a=pixels)
    ((_, judged),) = judge(folder, images, crews.alone(engine, stride=stride), stride)
    return judged


def scored(judged: Judged | Failure) -> Scored:
    assert isinstance(judged, Judged)
    return judged.scored


def reason(judged: Judged | Failure) -> str:
    assert isinstance(judged, Failure)
    return judged.reason


@pytest.mark.parametrize("stride", [32, 64, 96])
def test_every_cell_has_the_score_of_its_middle(tmp_path: Path, stride: int) -> None:
    pixels = pyramids.picture(650, 1000)
    found = scored(only(tmp_path, pixels, engine := Middle(), stride))
    half = stride // 2
    expected = pixels[half : 650 - 650 % stride : stride, half : 1000 - 1000 % stride : stride, 0]
    np.testing.assert_array_equal(found.logits, expected)
    assert engine.num_scored == expected.size
    assert engine.largest <= working.BATCH


def test_glass_is_not_scored(tmp_path: Path) -> None:
    pixels = np.full((320, 640, 3), 245, np.uint8)
    pixels[72:152, 328:472] = pyramids.picture(80, 144)
    found = scored(only(tmp_path, pixels, engine := Middle()))
    assert engine.num_scored == 15
    assert np.isfinite(found.logits[2:5, 10:15]).all()
    assert np.isfinite(found.probabilities).sum() == 15


def test_a_slide_of_glass_is_refused(tmp_path: Path) -> None:
    found = only(tmp_path, np.full((320, 320, 3), 245, np.uint8), Middle())
    assert reason(found) == "no tissue found: the image shows only glass"


def test_a_stride_larger_than_the_image_is_named(tmp_path: Path) -> None:
    found = only(tmp_path, pyramids.picture(200, 300), Middle(), 256)
    assert reason(found).startswith("no place for a patch: --stride is 256, and the image has 300x")


def test_an_interrupted_region_goes_on_where_it_was(tmp_path: Path) -> None:
    images = write(tmp_path / "images", a=pyramids.picture(1600, 640))
    ((_, whole),) = judge(tmp_path / "whole", images, crews.alone(Middle()))
    with pytest.raises(KeyboardInterrupt):
        judge(tmp_path, images, crews.alone(Middle(most=500)))
    ((_, found),) = judge(tmp_path, images, crews.alone(rest := Middle()))
    np.testing.assert_array_equal(scored(found).logits, scored(whole).logits)
    assert rest.num_scored == 1000 - 480  # three bands of 8 rows and 20 columns were stored


def test_of_an_interrupted_call_what_is_complete_is_handed_over_before_the_next_is_looked_at(
    tmp_path: Path,
) -> None:
    """Otherwise, a call over many regions would hold all of them in memory."""
    pixels = pyramids.picture(150, 200)
    images = write(tmp_path / "images", a=pixels, b=pixels, c=pixels, d=pixels)
    judge(tmp_path, images, crews.alone(Middle()))
    happened: list[str] = []

    def state_of(image: Image, size: tuple[int, int], um_per_pixel: float) -> State:
        happened.append(f"looks at {image.name}")
        facts = {"um": um_per_pixel}
        return unfinished.state(tmp_path, size, region_judging.BAND, facts, [image.path])

    crew = crews.alone(Middle())
    region_judging.judge_regions(
        images, crew, 32, state_of, lambda image, _: happened.append(f"has {image.name}")
    )
    crew.worker.close()
    expected = [f"{what} {each.name}" for each in images for what in ("looks at", "has")]
    assert happened == expected


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    """Six images: of 25, 2 and 3 bands of 4 columns, glass, text, and one with damaged tiles."""
    folder = tmp_path_factory.mktemp("mixed")
    images = write(
        folder,
        a=pyramids.picture(6400, 128),
        b=pyramids.picture(320, 128, 1),
        c=np.full((320, 128, 3), 245, np.uint8),
        d=pyramids.picture(2048, 128, 2),
        f=pyramids.picture(768, 128, 3),
    )
    with tifffile.TiffFile(images[3].path) as file:
        starts = file.pages.first.dataoffsets
    content = bytearray(images[3].path.read_bytes())
    for tile in (21, 40):  # of two columns
        content[starts[tile] : starts[tile] + 20] = bytes(20)
    images[3].path.write_bytes(content)
    (folder / "e.png").write_bytes(b"text")
    return finding.find([folder], folder / "output")[0]


@settings(max_examples=20)
@given(data=st.data())
def test_bands_in_any_order_resumed_anywhere_give_the_same(
    mixed: list[Image], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("results")
    whole = judge(folder / "whole", mixed, crews.alone(Middle()))
    names = [each.name for each, judged in whole if isinstance(judged, Judged)]
    assert names == ["a", "b", "f"]
    assert "tile 21 can't be decoded" in reason(whole[3][1])
    band = data.draw(st.integers(1, 30), label="band")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(region_judging, "BAND", band)
        for most in (*data.draw(st.lists(st.integers(0, 1200), max_size=3), label="kills"), 9999):
            crew = crews.Shuffled(
                crews.worker(Middle(most)),
                data.draw(st.integers(0, 99), label="order"),
                data.draw(st.integers(1, 9), label="under way"),
            )
            try:
                found = judge(folder, mixed, crew)
            except KeyboardInterrupt:
                continue
            assert_equal(found, whole)


def assert_equal(
    found: list[tuple[Image, Judged | Failure]], expected: list[tuple[Image, Judged | Failure]]
) -> None:
    assert [image for image, _ in found] == [image for image, _ in expected]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        if isinstance(other, Failure):
            assert one == other
            continue
        assert isinstance(one, Judged)
        np.testing.assert_array_equal(one.scored.logits, other.scored.logits)
        np.testing.assert_array_equal(one.thumbnail, other.thumbnail)
        assert one.um_per_pixel == other.um_per_pixel


def test_what_is_printed_does_not_depend_on_the_order(
    mixed: list[Image], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(tmp_path / "alone", mixed, crews.alone(Middle()))
    expected = capsys.readouterr().out
    assert [Path(line.split(": ")[0]).stem for line in expected.splitlines()] == list("abcdf")
    judge(tmp_path / "shuffled", mixed, crews.Shuffled(crews.worker(Middle()), 1, 9))
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_network_is_no_glass(tmp_path: Path, value: float) -> None:
    class Broken(Middle):
        """Its first logit is not a number."""

        def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
            """Score the patches."""
            found = super().logits(patches)
            found[0] = value
            return found

    message = r"the network's output is not a number for 1 of .* patches"
    with pytest.raises(working.BrokenNetworkError, match=message):
        only(tmp_path, pyramids.picture(320, 320), Broken())
