"""Tests of `metastasis predict` as a user sees it: exit codes and messages."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from helpers import images as made
from helpers import model_folders, pyramids, trained
from metastasis.__main__ import main
from metastasis.commands import predict
from metastasis.engines import converting, engines
from metastasis.inference import heat_maps, rows, unfinished

BAD = {
    "text.png": (b"no image at all", "not an image"),
    "empty.tif": (b"", "an empty file"),
    "narrow.tif": (made.tiff(made.SMOOTH[:, :95]), "95x96"),
    "rgba.tif": (made.tiff(made.SMOOTH[:, :, [0, 1, 2, 0]]), "RGBA"),
    "cut.tif": (made.tiff(made.SMOOTH)[:9000], "damaged"),
    "bomb.png": (made.huge_png(), "more than 67,108,864 pixels"),
    "bomb.tif": (made.huge_tiff(), "claim 200,000 x 200,000 pixels"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.write(tmp_path_factory.mktemp("trained") / "model", is_drawn=True)


def good(folder: Path) -> Path:
    path = folder / "good.png"
    path.write_bytes(made.encoded(pyramids.picture(96, 96), ".png"))
    return path


def call(*arguments: object) -> int:
    return main(["predict", *map(str, arguments)])


def test_all_scored_is_0(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "output"
    assert call(good(tmp_path), "--model", model, "--output", output) == 0
    printed = capsys.readouterr().out
    assert "Not a medical device" in printed
    assert "trained on drawn patches: its scores say nothing of tissue" in printed
    assert f"1 patch of 1 image scored; {output}/predictions.csv has a row for each" in printed


def test_some_not_scored_is_2_and_each_has_its_reason(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    good(source)
    for name, (content, _) in BAD.items():
        (source / name).write_bytes(content)
    loop = source / "loop.tif"
    loop.symlink_to(loop)
    missing = tmp_path / "missing"
    output = tmp_path / "output"
    assert call(source, missing, "--model", model, "--output", output) == 2
    printed = capsys.readouterr().out
    lines = {line.split(": ")[0].strip(): line for line in printed.splitlines() if ": " in line}
    for name, (_, reason) in BAD.items():
        assert reason in lines[str(source / name)]
    assert "it can't be read: Too many levels of symbolic links" in lines[str(loop)]
    assert "there is no such file or folder" in lines[str(missing)]
    table = (output / "predictions.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table] == ["id", "good"]
    assert len((output / "failures.csv").read_text().splitlines()) == len(BAD) + 3


def test_nothing_scored_is_1(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert call(folder, "--model", model, "--output", tmp_path / "output") == 1
    assert "the folder holds no file named *.tif" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stride", "33"), "--stride is 33; expected an even number"),
        (("--mpp", "90"), "--mpp is 90; expected micrometres per pixel"),
    ],
)
def test_an_option_that_cannot_be_is_2_as_any_wrong_usage(
    tmp_path: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    message: str,
) -> None:
    output = tmp_path / "output"
    with pytest.raises(SystemExit) as caught:
        call(good(tmp_path), "--model", model, "--output", output, *arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_a_missing_model_is_1_with_what_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(good(tmp_path), "--model", "nowhere", "--output", tmp_path / "output") == 1
    assert "nowhere is missing; expected a folder with model.keras" in capsys.readouterr().err
    assert not (tmp_path / "output").exists()


def test_a_damaged_file_is_reported_once_by_us(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(made.tiff(pyramids.picture(300, 300))[:60_000])
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)  # OpenCV's own default
    assert call(path, "--model", model, "--output", tmp_path / "output") == 1
    printed = capfd.readouterr()
    assert "OpenCV" not in printed.err
    assert printed.out.count(str(path)) == 1


def test_a_full_disk_ends_the_call_and_the_same_command_goes_on(
    tmp_path: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    region = tmp_path / "region.png"
    region.write_bytes(made.encoded(pyramids.picture(200, 200), ".png"))
    output = tmp_path / "output"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name in ((heat_maps, "write"), (unfinished.State, "append")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, full)
            assert call(region, "--model", model, "--output", output) == 1
        message = "predict: No space left on device; free some space and run it again."
        assert message in capsys.readouterr().err
        assert not (output / "failures.csv").exists()
        if name == "write":
            sizes = sorted(path.stat().st_size for path in (output / unfinished.FOLDER).iterdir())
            assert sizes == [8 + 4, 8 + 6 * 6 * 4]  # the state of the files, and that of the region
            (output / unfinished.FOLDER).rename(tmp_path / "kept")
    assert call(region, "--model", model, "--output", output) == 0
    assert not (output / unfinished.FOLDER).exists()


def test_an_output_folder_that_cannot_be_written_is_1(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = good(tmp_path) / "below-a-file"
    assert call(tmp_path / "good.png", "--model", model, "--output", output) == 1
    printed = capsys.readouterr().err
    assert "can't be written" in printed
    assert "--output" in printed


def test_the_help_names_the_engines_and_formats_that_there_are() -> None:
    """The command names them again, since their modules take seconds to import."""
    assert engines.EngineName.__args__ == predict.ENGINES  # type: ignore[attr-defined]
    assert rows.Form.__args__ == predict.FORMS  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the model with its export for OpenVINO."""
    folder = Path(shutil.copytree(model, tmp_path_factory.mktemp("exported") / "model"))
    network = folder / "exported/openvino/model.xml"
    converting.convert(folder / "model.keras", network)
    model_folders.note_export(folder, network.parent)
    return folder


@pytest.mark.medium
def test_an_export_in_the_models_folder_is_computed_and_another_converted(
    tmp_path: Path,
    model: Path,
    exported: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, tables = good(tmp_path), []
    for folder, told in (
        (model, f"{model} has no export of this model for openvino, so it is converted in each"),
        (
            exported,
            f"computed by openvino from {exported}/exported/openvino/model.xml, the",
        ),
    ):
        output = tmp_path / folder.parent.name
        given = ("--model", folder, "--engine", "openvino", "--output", output)
        with monkeypatch.context() as patched:
            if folder == exported:
                patched.setattr(converting, "convert", None)
            assert call(image, *given) == 0
        assert told in capsys.readouterr().out
        tables.append((output / "predictions.csv").read_bytes())
    assert tables[0] == tables[1]


@pytest.mark.medium
@pytest.mark.parametrize(
    ("engine", "is_exported"), [("openvino", True), ("openvino", False), ("onnx", False)]
)
def test_only_keras_needs_tensorflow(
    tmp_path: Path, model: Path, exported: Path, engine: str, *, is_exported: bool
) -> None:
    """Converting has a process of its own."""
    code = (
        "import sys; from metastasis.__main__ import main; code = main(sys.argv[1:]); "
        "sys.exit(code or 'tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    folder = exported if is_exported else model
    given = ("--model", folder, "--engine", engine, "--output", tmp_path / "output")
    command = [sys.executable, "-c", code, "predict", good(tmp_path), *given]
    subprocess.run(list(map(str, command)), check=True)


@pytest.mark.medium
def test_info_shows_an_export_and_both_commands_refuse_a_changed_one(
    tmp_path: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "model"))
    assert main(["info", str(folder)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{folder}/exported/openvino/model.xml, 32 bits: for `predict --engine" in printed
    (folder / "exported/openvino/model.bin").write_bytes(b"another")
    output = tmp_path / "output"
    given = ("--model", folder, "--engine", "openvino", "--output", output)
    assert call(good(tmp_path), *given) == 1
    assert "model.bin isn't the file that export.json describes" in capsys.readouterr().err
    assert not output.exists()
    assert main(["info", str(folder)]) == 2
    assert "model.bin isn't the file that export.json describes" in capsys.readouterr().err
