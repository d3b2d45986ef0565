"""Tests of `__main__`: every command is listed, at once."""

import subprocess
import sys

from helpers.files import ROOT
from metastasis.commands import compare
from metastasis.compare import revisions

METASTASIS = [sys.executable, "-m", "metastasis"]


def test_the_help_lists_every_command_and_imports_no_heavy_library() -> None:
    program = (
        "import runpy, sys\n"
        "sys.argv = ['metastasis', '--help']\n"
        "try: runpy.run_module('metastasis', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('imported:', *sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    helped, _, modules = result.stdout.partition("imported:")
    commands = {path.stem for path in (ROOT / "src/metastasis/commands").glob("*.py")}
    for name in commands - {"__init__", "screens"}:
        assert f"\n    {name} " in helped
    heavy = {"tensorflow", "keras", "numpy", "pandas", "dvc", "pydantic", "psutil", "cv2"}
    assert heavy & set(modules.split()) == set()


def test_without_a_command_the_usage_is_shown() -> None:
    result = subprocess.run(METASTASIS, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: metastasis [-h] COMMAND ...\n")


def test_compares_default_is_where_evaluate_writes_its_scores() -> None:
    assert compare.SCORES == revisions.SCORES
