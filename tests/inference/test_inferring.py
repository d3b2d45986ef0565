"""Tests of whole predictions: the same patch by every way, slides, and interrupted runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import special

from helpers import crews, model_folders, pyramids, trained
from helpers import images as made
from helpers.files import ROOT
from metastasis import model_folder
from metastasis.base import libraries
from metastasis.base.errors import InputError
from metastasis.engines import engines
from metastasis.inference import inferring, rows, unfinished
from metastasis.inference.inferring import Options, Summary
from metastasis.inference.unfinished import State
from metastasis.patches import shards
from metastasis.results.decision import Sets
from metastasis.scores import scoring

OPTIONS = Options(engine="keras", stride=32, mpp=None, form="csv")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.write(tmp_path_factory.mktemp("trained") / "model")


def infer(model: Path, output: Path, *paths: Path, options: Options = OPTIONS) -> Summary:
    return inferring.infer(list(paths), model_folder.read(model), output, options)


def predictions(output: Path) -> pd.DataFrame:
    return pd.read_csv(output / "predictions.csv")


def by_pipeline(folder: Path, model: Path, patches: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The probabilities as the stages compute them, from shards."""
    size = patches.shape[1]
    folder.mkdir()
    writer = shards.Writer(folder, size)
    places = writer.extend(patches)
    writer.close()
    index = pd.DataFrame(places, columns=["shard", "row"])
    index["id"] = [str(number) for number in range(len(patches))]
    index["pool"] = "unlabelled"
    shards.write_index(folder, index)
    logits = scoring.score(model / "model.keras", shards.read(folder), places)
    return np.asarray(special.expit(logits.astype(np.float64)))


def write_every_way(folder: Path, patches: NDArray[np.uint8]) -> None:
    """Write each patch as PNG, as TIFF of two writers, and all side by side in a region."""
    for number, patch in enumerate(patches):
        (folder / f"{number}-png.png").write_bytes(made.encoded(patch[:, :, ::-1], ".png"))
        (folder / f"{number}-tiff.tif").write_bytes(made.tiff(patch))
        (folder / f"{number}-opencv.tif").write_bytes(made.encoded(patch[:, :, ::-1]))
        (folder / f"{number}-deflate.tif").write_bytes(made.tiff(patch, compression="deflate"))
    region = np.concatenate(patches, axis=1)
    (folder / "region.png").write_bytes(made.encoded(region[:, :, ::-1], ".png"))
    pyramids.write(folder / "slide.tif", region)


@pytest.mark.parametrize("size", [96, 64])
def test_a_patch_has_the_pipeline_s_probability_by_every_way(tmp_path: Path, size: int) -> None:
    model = trained.write(tmp_path / "model", size)
    patches = np.stack([pyramids.picture(96, 96, seed) for seed in range(5)])
    inside = shards.centre(96, size)
    expected = by_pipeline(tmp_path / "shards", model, patches[:, inside, inside])
    source = tmp_path / "source"
    source.mkdir()
    write_every_way(source, patches)
    infer(model, tmp_path / "output", source)
    table = predictions(tmp_path / "output")
    assert expected.std() > 0.05  # so that equal values mean equal patches
    for way in ("png", "tiff", "opencv", "deflate"):
        found = table.set_index("id").loc[[f"{n}-{way}" for n in range(5)], "probability"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    for name in ("region", "slide"):
        cells = table[(table["id"] == name) & (table["y"] == 32)].set_index("x")["probability"]
        found = cells.loc[[96 * n + 32 for n in range(5)]]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_slide_is_read_at_its_resolution_and_placed_in_its_own_pixels(
    tmp_path: Path, model: Path
) -> None:
    pixels = pyramids.picture(2 * 320, 2 * 480)
    pyramids.write(tmp_path / "slide.tif", pixels, 0.486)
    half = cv2.resize(pixels, (480, 320), interpolation=cv2.INTER_AREA)
    (tmp_path / "half.png").write_bytes(made.encoded(half[:, :, ::-1], ".png"))
    infer(model, tmp_path / "output", tmp_path / "slide.tif", tmp_path / "half.png")
    table = predictions(tmp_path / "output")
    slide, same = (table[table["id"] == name].reset_index(drop=True) for name in ("slide", "half"))
    assert len(slide) == 10 * 15
    np.testing.assert_allclose(slide["probability"], same["probability"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(slide[["x", "y"]], 2 * same[["x", "y"]])
    heat = tifffile.imread(tmp_path / "output/slide.ome.tiff")
    np.testing.assert_allclose(heat.ravel(), slide["probability"], atol=1e-7)
    with tifffile.TiffFile(tmp_path / "output/slide.ome.tiff") as file:
        assert 'PhysicalSizeX="31.104"' in str(file.ome_metadata)
    features = json.loads((tmp_path / "output/slide.geojson").read_text())["features"]
    num_called = sum(each["properties"]["measurements"]["Patches"] for each in features)
    assert num_called == (slide["call"] == "tumour").sum() > 0
    corners = {tuple(point) for each in features for point in each["geometry"]["coordinates"][0]}
    assert all(x % 64 == y % 64 == 0 for x, y in corners)


def test_the_users_resolution_wins_and_a_patch_has_none(tmp_path: Path, model: Path) -> None:
    (tmp_path / "a.png").write_bytes(made.encoded(pyramids.picture(400, 400), ".png"))
    (tmp_path / "b.png").write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    options = Options(engine="keras", stride=32, mpp=0.486, form="csv")
    infer(model, tmp_path / "output", tmp_path, options=options)
    table = predictions(tmp_path / "output")
    assert (table["id"] == "a").sum() == 6 * 6  # 200 pixels of the model's
    assert table.loc[table["id"] == "b", ["x", "y"]].isna().to_numpy().tolist() == [[True, True]]


def test_good_images_are_scored_beside_bad_ones(tmp_path: Path, model: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    pixels = pyramids.picture(96, 96)
    (source / "good.png").write_bytes(made.encoded(pixels, ".png"))
    (source / "deep/good.tif").write_bytes(made.tiff(pixels))
    (source / "bad.png").write_bytes(b"text")
    (source / "glass.png").write_bytes(made.encoded(np.full((200, 200, 3), 245, np.uint8), ".png"))
    summary = infer(model, tmp_path / "output", source, tmp_path / "none")
    assert (summary.num_images, summary.num_patches) == (2, 2)
    table = predictions(tmp_path / "output")
    assert table["id"].tolist() == ["good", "good-2"]
    assert table["path"].tolist() == [str(source / "deep/good.tif"), str(source / "good.png")]
    failures = pd.read_csv(tmp_path / "output/failures.csv")
    assert [Path(path).name for path in failures["path"]] == ["none", "bad.png", "glass.png"]
    assert failures["reason"].tolist()[2] == "no tissue found: the image shows only glass"
    infer(model, tmp_path / "output", source / "good.png")
    assert not (tmp_path / "output/failures.csv").exists()  # that of the earlier run


def test_a_damaged_header_does_not_end_a_call(tmp_path: Path, model: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a", "z"):
        pixels = made.encoded(pyramids.picture(96, 96), ".png")
        (source / f"{name}.png").write_bytes(pixels)
    bad = [*made.NO_WIDTH.values(), made.png_of_size(0xFF000060, 96)]
    for number, content in enumerate(bad):
        (source / f"bad-{number}").with_suffix(".tif").write_bytes(content)
    summary = infer(model, tmp_path / "output", source)
    assert predictions(tmp_path / "output")["id"].tolist() == ["a", "z"]
    assert [each.path.stem for each in summary.failures] == [f"bad-{n}" for n in range(len(bad))]
    for failure in summary.failures:
        assert "can't be decoded to an image; it is damaged or incomplete" in failure.reason


def test_sets_are_reported_if_the_decision_has_them_as_csv_and_as_json(tmp_path: Path) -> None:
    sets = Sets(coverage=0.9, tumour_from=0.0, no_tumour_from=0.0)
    model = trained.write(tmp_path / "model", sets=sets)
    (tmp_path / "a.png").write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    infer(model, tmp_path / "output", tmp_path / "a.png")
    table = predictions(tmp_path / "output")
    assert table.columns.tolist() == ["id", "path", "x", "y", "probability", "call", "set"]
    assert table["set"].tolist() == ["both"]
    options = Options(engine="keras", stride=32, mpp=None, form="jsonl")
    infer(model, tmp_path / "output", tmp_path / "a.png", options=options)
    (line,) = (tmp_path / "output/predictions.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert found.pop("probability") == pytest.approx(table["probability"].item(), abs=1e-8)
    assert found == {
        "id": "a", "path": str(tmp_path / "a.png"), "x": None, "y": None,
        "call": table["call"].item(), "set": "both",
    }  # fmt: skip


def test_what_an_earlier_run_wrote_for_a_failed_image_is_removed(
    tmp_path: Path, model: Path
) -> None:
    for name in ("a", "b"):
        pixels = pyramids.picture(200, 200)
        (tmp_path / f"{name}.png").write_bytes(made.encoded(pixels, ".png"))
    output = tmp_path / "output"
    infer(model, output, tmp_path)
    (tmp_path / "a.png").write_bytes(b"text")
    infer(model, output, tmp_path)
    names = {"b.geojson", "b.ome.tiff", "b.png", "predictions.csv", "failures.csv"}
    assert {path.name for path in output.iterdir()} == names


@pytest.mark.parametrize("forms", [("csv", "jsonl"), ("jsonl", "csv")])
def test_the_table_of_an_earlier_run_in_the_other_form_is_removed(
    tmp_path: Path, model: Path, forms: tuple[rows.Form, rows.Form]
) -> None:
    (tmp_path / "a.png").write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    for form in forms:
        options = replace(OPTIONS, form=form)
        infer(model, tmp_path / "output", tmp_path / "a.png", options=options)
        names = [path.name for path in (tmp_path / "output").iterdir()]
        assert names == [f"predictions.{form}"]


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_glass_is_never_called_tumour(
    tmp_path: Path, model: Path, threshold: float, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.full((320, 640, 3), 245, np.uint8)
    pixels[64:128, 64:160] = pyramids.picture(64, 96)
    (tmp_path / "a.png").write_bytes(made.encoded(pixels, ".png"))
    found = model_folder.read(model)
    decision = found.decision.model_copy(update={"threshold": threshold})
    output = tmp_path / "output"
    inferring.infer([tmp_path / "a.png"], replace(found, decision=decision), output, OPTIONS)
    (feature,) = json.loads((output / "a.geojson").read_text())["features"]
    assert feature["properties"]["measurements"]["Patches"] == 6
    assert "6 patches scored (3% of the image" in (printed := capsys.readouterr().out)
    assert "6 called tumour in 1 region\n" in printed


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path, model: Path) -> None:
    (tmp_path / "a.png").write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    output = tmp_path / "output"
    output.mkdir()
    with (
        unfinished.alone(output),
        pytest.raises(InputError, match="another `metastasis predict` is writing to"),
    ):
        infer(model, output, tmp_path / "a.png")
    assert list(output.iterdir()) == []


def test_a_network_that_gives_no_numbers_ends_the_call(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(made.encoded(pyramids.picture(200, 200), ".png"))

    class Broken:
        """Gives no numbers."""

        def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
            """Return NaN for each patch."""
            return np.full(len(patches), np.nan, np.float32)

    monkeypatch.setattr(engines, "open_engine", lambda *_: Broken())
    with pytest.raises(InputError, match="the network's output is not a number"):
        infer(model, tmp_path / "output", tmp_path / "a.png")


def test_images_of_any_name_are_scored(tmp_path: Path, model: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    stems = [os.fsdecode(b"caf\xe9"), "ä" * 120, "a\nb", "a\rb", r"$\x$"]
    for number, stem in enumerate(stems):
        pixels = pyramids.picture(200, 200, number)
        (source / f"{stem}.png").write_bytes(made.encoded(pixels, ".png"))
    summary = infer(model, tmp_path / "output", source, tmp_path / stems[0])
    assert summary.num_images == len(stems)
    assert [each.reason for each in summary.failures] == ["there is no such file or folder"]
    assert len({path.stem for path in (tmp_path / "output").glob("*.geojson")}) == len(stems)
    table = predictions(tmp_path / "output")
    assert table["id"].nunique() == table["path"].nunique() == len(stems)
    assert len(table) == summary.num_patches


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """The states that calls ask for from now on, in order."""
    known, state = [], unfinished.state

    def watched(*arguments: Any) -> State:  # noqa: ANN401  # as `state` has them
        known.append(state(*arguments))
        return known[-1]

    monkeypatch.setattr(unfinished, "state", watched)
    return known


def test_another_version_of_the_package_does_not_go_on_with_states(
    tmp_path: Path, model: Path, states: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    for version in ("1.0.0", "1.0.0", "1.0.1"):
        monkeypatch.setattr(libraries, "installed", lambda _, version=version: version)
        infer(model, tmp_path / "output", tmp_path / "a.png")
    first, same, other = states
    assert first == same != other


def test_an_export_does_not_go_on_with_the_states_of_another(
    tmp_path: Path, model: Path, states: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are the same model's, and the engine is the same."""
    (tmp_path / "a.png").write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    monkeypatch.setattr(engines, "open_engine", lambda *_: crews.Middle())
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    for content in (b"one", b"one", b"another", None):
        shutil.rmtree(folder / "exported", ignore_errors=True)
        if content:
            model_folders.write_export(folder, "onnx", {"model.onnx": content})
        options = replace(OPTIONS, engine="onnx")
        infer(folder, tmp_path / "output", tmp_path / "a.png", options=options)
    first, same, another, converted = states
    assert first == same
    assert another not in (first, converted)
    assert first != converted


def start(source: Path, model: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "metastasis", "predict", str(source)]
    command += ["--model", str(model), "--output", str(output)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.medium
def test_a_killed_run_goes_on_and_writes_the_same_bytes(tmp_path: Path, model: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, seed in (("one", 1), ("two", 2)):
        pixels = pyramids.picture(1500, 1500, seed)
        (source / f"{name}.png").write_bytes(made.encoded(pixels, ".png"))
    (source / "patch.png").write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    assert start(source, model, tmp_path / "whole").wait() == 0
    process = start(source, model, tmp_path / "output")
    states = tmp_path / "output" / unfinished.FOLDER
    while (
        process.poll() is None and sum(map(size, states.glob("*"))) < 46 * 46 * 4 + 3 * 8 * 46 * 4
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "output/predictions.csv").exists()
    assert start(source, model, tmp_path / "output").wait() == 0
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(
        [
            "predictions.csv",
            *(f"{n}.{end}" for n in ("one", "two") for end in ("geojson", "ome.tiff", "png")),
        ]
    )
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == names
    for name in names:
        assert (tmp_path / "output" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def size(path: Path) -> int:
    return path.stat().st_size
