"""Tests of `base.stage`: how a script ends, seen from outside."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.files import ROOT


def run(tmp_path: Path, body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "stages" / "count.py"
    script.parent.mkdir()
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "stages" / "here.py", script.with_name("here.py"))
    shutil.copyfile(ROOT / "libraries.yaml", tmp_path / "libraries.yaml")
    script.write_text(
        "from pathlib import Path\n"
        "import here\n"
        "from metastasis.base import stage\n"
        "from metastasis.base.errors import InputError\n"
        f"def main(words: Path, counts: Path) -> None:\n    {body}\n"
        "stage.run(main)\n"
    )
    return again(tmp_path, *arguments)


def again(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script that is there, in an environment that says nothing about whose code."""
    command = [sys.executable, str(tmp_path / "stages" / "count.py"), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_arguments_reach_the_script_as_paths(tmp_path: Path) -> None:
    result = run(tmp_path, "print(words.name, counts.parent)", "a/words.txt", "b/counts.txt")
    assert (result.returncode, result.stdout) == (0, "words.txt b\n")


def test_garbage_is_left_only_while_a_script_imports(tmp_path: Path) -> None:
    """Not in its work, nor in the workers that it starts, which import the script as well."""
    run(tmp_path, "pass", "a", "b")
    script = tmp_path / "stages" / "count.py"
    script.write_text(
        "import here, gc, multiprocessing\n"
        "print('imports', gc.isenabled())\n"
        "from pathlib import Path\n"
        "from metastasis.base import stage\n"
        "def work(): print('worker', gc.isenabled())\n"
        "def main(words: Path, counts: Path) -> None:\n"
        "    print('main', gc.isenabled(), flush=True)\n"
        "    worker = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    worker.start(), worker.join()\n"
        "if __name__ == '__main__':\n"
        "    stage.run(main)\n"
    )
    assert again(tmp_path, "a", "b").stdout.splitlines() == [
        "imports False",
        "main True",
        "imports True",
        "worker True",
    ]


def test_numbers_reach_the_script_where_it_declares_them(tmp_path: Path) -> None:
    run(tmp_path, "pass", "a", "b")
    script = tmp_path / "stages" / "count.py"
    text = script.read_text().replace("words: Path", "seed: int").replace("pass", "print(seed + 1)")
    script.write_text(text)
    assert again(tmp_path, "41", "b").stdout == "42\n"
    result = again(tmp_path, "words.txt", "b")
    assert (result.returncode, result.stderr) == (1, "usage: python stages/count.py SEED COUNTS\n")
    result = again(tmp_path, "41", "b", "c")
    assert (result.returncode, result.stderr) == (1, "usage: python stages/count.py SEED COUNTS\n")


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
        "count.py: No space left on device; free some space and run it again.\n",
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


def test_a_script_runs_the_code_of_its_own_tree(tmp_path: Path) -> None:
    result = run(tmp_path, "print(stage.__file__)", "a", "b")
    assert result.stdout == f"{tmp_path / 'src/metastasis/base/stage.py'}\n"


@pytest.mark.parametrize("level", ["1", "2"])
def test_an_optimising_interpreter_is_replaced_and_the_arguments_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", level)
    body = "import os; print(__debug__, 'PYTHONOPTIMIZE' in os.environ, words, counts)"
    result = run(tmp_path, body, "a folder/'x'.txt", "$y;*")
    assert (result.returncode, result.stdout) == (0, "True False a folder/'x'.txt $y;*\n")


def test_a_script_whose_tree_has_no_code_refuses_to_run_another_trees(tmp_path: Path) -> None:
    result = run(tmp_path, "print('ran')", "a", "b")
    assert result.stdout == "ran\n"
    shutil.rmtree(tmp_path / "src")
    result = again(tmp_path, "a", "b")
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"expected {tmp_path / 'src'}. Run `make setup` in {tmp_path}" in result.stderr


def test_a_library_in_another_version_stops_a_script_before_it_imports_anything(
    tmp_path: Path,
) -> None:
    assert run(tmp_path, "print('ran')", "a", "b").stdout == "ran\n"
    (tmp_path / "stages" / "count.py").write_text("import here\nimport nothing_of_that_name\n")
    recorded = tmp_path / "libraries.yaml"
    recorded.write_text(recorded.read_text().replace("keras: ", "keras: 0."))
    result = again(tmp_path, "a", "b")
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(
        r"count\.py: keras \S+ is installed, libraries\.yaml says 0\.\S+: run `make setup`\.\n",
        result.stderr,
    )
