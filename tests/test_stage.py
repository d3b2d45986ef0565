"""Tests of `metastasis.stage`: how a script ends, seen from outside."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(tmp_path: Path, body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "stages" / "count.py"
    script.parent.mkdir()
    script.write_text(
        "from pathlib import Path\n"
        "from metastasis import stage\n"
        "from metastasis.errors import InputError\n"
        f"def main(words: Path, counts: Path) -> None:\n    {body}\n"
        "stage.run(main)\n"
    )
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_arguments_reach_the_script_as_paths(tmp_path: Path) -> None:
    result = run(tmp_path, "print(words.name, counts.parent)", "a/words.txt", "b/counts.txt")
    assert (result.returncode, result.stdout) == (0, "words.txt b\n")


def test_a_users_mistake_is_one_message_and_exit_code_1(tmp_path: Path) -> None:
    result = run(tmp_path, "raise InputError('words.txt is empty')", "a", "b")
    assert (result.returncode, result.stderr) == (1, "count.py: words.txt is empty\n")


def test_a_defect_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    result = run(tmp_path, "raise KeyError('x')", "a", "b")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_missing_arguments_are_told_by_name(tmp_path: Path) -> None:
    result = run(tmp_path, "pass", "a")
    assert (result.returncode, result.stderr) == (1, "usage: python stages/count.py WORDS COUNTS\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has this device")
def test_a_full_disk_is_told_without_a_traceback(tmp_path: Path) -> None:
    result = run(tmp_path, "Path('/dev/full').write_text('x')", "a", "b")
    assert (result.returncode, result.stderr) == (
        1,
        "count.py: No space left on device; free some space, and run the same again.\n",
    )


def test_ctrl_c_ends_without_a_traceback(tmp_path: Path) -> None:
    # Started in the background by a shell, this process and its children would ignore Ctrl-C.
    handled = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    body = f"import os, signal; {handled}; os.kill(os.getpid(), signal.SIGINT)"
    result = run(tmp_path, body, "a", "b")
    assert (result.returncode, result.stderr) == (130, "")


def test_another_error_of_the_system_keeps_its_traceback(tmp_path: Path) -> None:
    result = run(tmp_path, "Path('missing').read_text()", "a", "b")
    assert "FileNotFoundError" in result.stderr
