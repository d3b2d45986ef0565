"""Tests of `__main__`: every command is listed, at once."""

import errno
import subprocess
import sys

import pytest

from helpers.files import ROOT
from metastasis import __main__
from metastasis.commands import compare, info
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


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "card.json"), "card.json: Permission"),
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
    ],
)
def test_a_file_that_cannot_be_read_or_written_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: OSError,
    message: str,
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(info, "run", fail)
    assert __main__.main(["info"]) == 2
    assert message in capsys.readouterr().err


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise OSError(errno.EIO, "a bug")

    monkeypatch.setattr(info, "run", fail)
    with pytest.raises(OSError, match="a bug"):
        __main__.main(["info"])


def test_without_a_command_the_usage_is_shown() -> None:
    result = subprocess.run(METASTASIS, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: metastasis [-h] COMMAND ...\n")


def test_compares_default_is_where_evaluate_writes_its_scores() -> None:
    assert compare.SCORES == revisions.SCORES
