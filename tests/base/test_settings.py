"""Nothing outside decides a result: not the user's settings, nor the processor's kernels."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.files import ROOT, assert_same_bytes

# What makes libraries compute as on processors without AVX: switches of theirs and of libc.
OLD_KERNELS = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENCV_CPU_DISABLE": "SSE4.1,SSE4.2,AVX,FP16,AVX2,FMA3,AVX512-SKX",
    "OPENCV_IPP": "disabled",
    "OPENBLAS_CORETYPE": "Nehalem",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",
}
SIZES = {"num_slides": 24, "num_patches": 150, "num_test_slides": 6, "num_test_patches": 30}
STAGES = (
    "demo data/demo data/truth",
    "ingest data/demo data/slides.csv data/patches data/inventory.parquet data/tables",
    (
        "validate data/tables data/inventory.parquet data/patches data/manifest.csv "
        "data/quarantine.csv report.html validate.json plots-validate"
    ),
    "split data/manifest.csv data/inventory.parquet data/patches data/split.csv split.json plots",
)
FIGURE = """
from matplotlib.figure import Figure
from metastasis import plotting

def main():
    figure = Figure()
    figure.subplots().set_title("cells")
    figure.savefig("figure.png")
"""
SINGLE = """
import cv2
import numpy as np

def main():
    patch = np.random.default_rng(0).random((96, 96, 3), np.float32)
    print(np.exp(patch).sum(dtype=np.float64))
    print(cv2.GaussianBlur(patch, (0, 0), 1.3).sum(dtype=np.float64))
"""
KERAS = """
import keras

def main():
    print(keras.backend.backend(), keras.config.image_data_format(), keras.config.floatx())
"""
TENSORFLOW = """
import os

def main():
    print(sorted(name for name in os.environ if name.startswith(("TF_", "XLA_"))))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the pipeline's code and a small demo's params."""
    for name in ("src", "stages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copyfile(ROOT / "libraries.yaml", tmp_path / "libraries.yaml")
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["demo"] |= SIZES
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    return tmp_path


def run(tree: Path, command: str, environment: dict[str, str]) -> str:
    """Run a stage's script in `tree`, and return what it prints."""
    name, *arguments = command.split()
    result = subprocess.run(
        [sys.executable, f"stages/{name}.py", *arguments],
        cwd=tree,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def run_body(tree: Path, body: str, environment: dict[str, str]) -> str:
    """Run `body`, which defines `main`, as a stage's script."""
    body = f"import here\nfrom metastasis.base import stage\n{body}\nstage.run(main)\n"
    (tree / "stages" / "script.py").write_text(body, "utf-8")
    return run(tree, "script", environment)


def divide(tree: Path, environment: dict[str, str]) -> Path:
    """Run the stages from the demo to the split, and return the folder they leave."""
    (tree / "data").mkdir()
    (tree / "data" / "slides.csv").write_text("id,slide\n")
    for command in STAGES:
        run(tree, command, environment)
    left = tree / "left"
    left.mkdir()
    for name in ("data", "split.json"):
        (tree / name).rename(left / name)
    return left


def num_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.medium
def test_demo_inventory_and_split_are_the_same_by_an_older_processors_kernels(tree: Path) -> None:
    own = divide(tree, {}).rename(tree / "own")
    old = divide(tree, OLD_KERNELS)
    assert len(list((own / "data" / "demo").rglob("*.tif"))) == 180
    assert_same_bytes(own, old, num_files(own))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are x86-64's kernels")
def test_the_switches_of_the_test_above_are_known_and_change_what_float32_gives(tree: Path) -> None:
    """Else it would pass whatever the demo is drawn with."""
    own, old = (run_body(tree, SINGLE, chosen).split() for chosen in ({}, OLD_KERNELS))
    assert own[0] != old[0]  # NumPy's
    assert own[1] != old[1]  # OpenCV's


@pytest.mark.parametrize("where", ["MATPLOTLIBRC", "MPLCONFIGDIR", "XDG_CONFIG_HOME", "here"])
def test_a_users_matplotlibrc_changes_no_figure(tree: Path, where: str) -> None:
    run_body(tree, FIGURE, {})
    before = (tree / "figure.png").read_bytes()
    folder = {"here": tree, "XDG_CONFIG_HOME": tree / "x" / "matplotlib"}.get(where, tree / "x")
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["savefig.dpi: 37", "figure.facecolor: red", "font.size: 31", "savefig.format: svg"]
    (folder / "matplotlibrc").write_text("\n".join(lines))
    value = tree / "x" / "matplotlibrc" if where == "MATPLOTLIBRC" else tree / "x"
    run_body(tree, FIGURE, {} if where == "here" else {where: str(value)})
    assert (tree / "figure.png").read_bytes() == before


def test_a_notebooks_backend_stops_no_stage(tree: Path) -> None:
    body = "from matplotlib import pyplot\n\ndef main():\n    print(pyplot.get_backend())\n"
    printed = run_body(tree, body, {"MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    assert printed.strip().lower() == "agg"


@pytest.mark.parametrize("variable", ["HOME", "KERAS_HOME", "KERAS_BACKEND"])
def test_a_users_keras_settings_choose_nothing(tree: Path, variable: str) -> None:
    chosen = {"backend": "torch", "image_data_format": "channels_first", "floatx": "float16"}
    folder = tree / ".keras"
    folder.mkdir()
    (folder / "keras.json").write_text(json.dumps(chosen))
    value = {"HOME": str(tree), "KERAS_HOME": str(folder), "KERAS_BACKEND": "jax"}[variable]
    assert run_body(tree, KERAS, {variable: value}) == "tensorflow channels_last float32\n"
    assert json.loads((folder / "keras.json").read_text()) == chosen


def test_of_tensorflows_variables_those_that_decide_a_result_are_removed(tree: Path) -> None:
    decides = {
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        "TF_USE_LEGACY_KERAS": "1",
        "TF_DETERMINISTIC_OPS": "0",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--no_such_flag",
    }
    kept = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    printed = run_body(tree, TENSORFLOW, decides | kept)
    assert printed == f"{sorted([*kept, 'TF_ENABLE_ONEDNN_OPTS'])}\n"
    body = "import os\n\ndef main():\n    print(os.environ['TF_ENABLE_ONEDNN_OPTS'])\n"
    assert run_body(tree, body, decides) == "1\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
        ("NVIDIA_TF32_OVERRIDE", "1"),
        ("KERAS_MAX_EPOCHS", "1"),
        ("OPENCV_IO_MAX_IMAGE_PIXELS", "100"),
        ("DVC_STUDIO_TOKEN", "word"),
        ("DVCLIVE_LOGLEVEL", "nonsense"),
        ("PYTHONOPTIMIZE", "2"),
        ("PYTHONWARNINGS", "error"),
    ],
)
def test_a_variable_that_changes_what_is_computed_read_or_sent_is_removed(
    tree: Path, name: str, value: str
) -> None:
    shown = f"    warnings.warn('x')\n    print({name!r} in os.environ)\n"
    body = f"import os, warnings\n\ndef main():\n{shown}"
    assert run_body(tree, body, {name: value}) == "False\n"


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_a_name_that_the_terminal_cant_show_is_printed_as_its_escape(
    tree: Path, environment: dict[str, str]
) -> None:
    body = r"def main():" + "\n" + r'    print("patch-\u0416.tif")' + "\n"
    assert run_body(tree, body, environment) == "patch-\\u0416.tif\n"
