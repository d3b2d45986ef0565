"""Tests of the Makefile and scripts/setup.sh: whose environment it is, and what a user is told.

A stand-in for uv makes an empty environment in place of two gigabytes.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.files import ROOT
from metastasis.commands import predict

FILES = (
    "Makefile",
    "scripts/repro.sh",
    "scripts/setup.sh",
    "pyproject.toml",
    "uv.lock",
    ".dvc/config",
    ".gitattributes",
)
UV = f"""#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$@" >> "$CALLS"
[ -e "$UV_PROJECT_ENVIRONMENT" ] || {sys.executable} -m venv --without-pip .venv
echo ' + package==1.0'
if [ -e "$CALLS.break" ]; then echo 'no route to the index' >&2; exit 2; fi
printf '#!/bin/sh\\necho "the dvc of $PWD: $*"\\n' > .venv/bin/dvc
chmod +x .venv/bin/dvc
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH with the stand-in for uv, and a dvc that isn't the project's."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, text in (("uv", UV), ("dvc", "#!/bin/sh\necho 'a stranger'\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with what make needs, in a folder whose name holds a blank."""
    folder = tmp_path / "my project"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for command in (["init"], ["add", "."], ["commit", "-m", "all"]):
        git(folder, *command)
    return folder


def git(folder: Path, *command: str) -> bytes:
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    result = subprocess.run(
        ["git", *identity, *command],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return result.stdout


def make(folder: Path, tools: Path, *targets: str, is_ok: bool = True) -> str:
    """Run make and return all that it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "EXTRA"}
    environment |= {"PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(tools / "calls")}
    result = subprocess.run(
        ["make", "--no-print-directory", *targets],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (result.returncode == 0) == is_ok, result.stdout
    return result.stdout


def num_installations(tools: Path) -> int:
    calls = tools / "calls"
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def test_what_is_installed_is_not_installed_again(project: Path, tools: Path) -> None:
    first = make(project, tools, "setup")
    assert "installing the locked libraries" in first
    assert "+ package" not in first
    assert make(project, tools, "setup") == ""
    assert num_installations(tools) == 1


def test_another_lock_or_extra_is_installed_into_the_environment_that_is_there(
    project: Path, tools: Path
) -> None:
    make(project, tools, "setup")
    (project / ".venv/mine").touch()
    with (project / "uv.lock").open("a") as file:
        file.write("# another lock\n")
    assert "recreating" not in make(project, tools, "setup")
    make(project, tools, "setup", "EXTRA=gpu")
    make(project, tools, "setup", "EXTRA=gpu")
    assert (tools / "calls").read_text().splitlines() == [
        "sync --locked",
        "sync --locked",
        "sync --locked --extra gpu",
    ]
    assert (project / ".venv/mine").exists()


def test_extras_stay_when_others_are_asked_for_or_none_or_a_try_fails(
    project: Path, tools: Path
) -> None:
    """Otherwise, TensorFlow would silently lose its GPU."""
    make(project, tools, "setup", "EXTRA=s3 gpu")
    make(project, tools, "setup")
    make(project, tools, "setup", "EXTRA=ray")
    (tools / "calls.break").touch()
    with (project / "uv.lock").open("a") as file:
        file.write("# another lock\n")
    make(project, tools, "setup", "EXTRA=gpo", is_ok=False)  # a typing error
    make(project, tools, "setup", is_ok=False)
    (tools / "calls.break").unlink()
    make(project, tools, "setup")
    three = "sync --locked --extra gpu --extra ray --extra s3"
    assert (tools / "calls").read_text().splitlines() == [
        "sync --locked --extra gpu --extra s3",
        three,
        three.replace("gpu", "gpo --extra gpu"),
        three,
        three,
    ]
    assert git(ROOT, "check-ignore", ".extras") == b".extras\n"
    (project / ".extras").unlink()  # the way to be rid of them
    with (project / "uv.lock").open("a") as file:
        file.write("# a third lock\n")
    make(project, tools, "setup")
    assert (tools / "calls").read_text().splitlines()[-1] == "sync --locked"


def test_the_extra_of_a_first_try_that_fails_is_named_in_what_resumes_it(
    project: Path, tools: Path
) -> None:
    (tools / "calls.break").touch()
    told = make(project, tools, "setup", "EXTRA=gpu", is_ok=False)
    assert "'make setup EXTRA=\"gpu\"' resumes it" in told


def test_the_extra_of_an_earlier_version_s_environment_stays(project: Path, tools: Path) -> None:
    make(project, tools, "setup")
    stamp = project / ".venv/.made-for"
    folder, *rest = stamp.read_text().splitlines()
    stamp.write_text("\n".join([folder, "extra gpu", *rest]))
    (project / ".extras").unlink(missing_ok=True)
    (tools / "calls.break").touch()
    make(project, tools, "setup", is_ok=False)
    (tools / "calls.break").unlink()
    make(project, tools, "setup")
    assert (tools / "calls").read_text().splitlines()[1:] == ["sync --locked --extra gpu"] * 2


@pytest.mark.parametrize("way", ["copied", "hard-linked", "renamed"])
def test_the_environment_of_another_folder_is_made_anew_and_the_other_left_alone(
    project: Path, tools: Path, way: str
) -> None:
    make(project, tools, "setup")
    original, other = project / ".venv/bin/dvc", project.with_name("other")
    before = original.read_bytes(), original.stat().st_mtime_ns
    if way == "renamed":
        project.rename(other)
    else:
        copy = os.link if way == "hard-linked" else shutil.copy2
        shutil.copytree(project, other, symlinks=True, copy_function=copy)
    assert "was not made here" in make(other, tools, "setup")
    assert num_installations(tools) == 2
    assert f"folder {other}" in (other / ".venv/.made-for").read_text()
    assert make(other, tools, "setup") == ""
    if way != "renamed":
        assert (original.read_bytes(), original.stat().st_mtime_ns) == before
        assert make(project, tools, "setup") == ""


def test_an_environment_that_is_a_link_is_replaced_and_its_target_kept(
    project: Path, tools: Path
) -> None:
    target = project.with_name("shared")
    (target / "bin").mkdir(parents=True)
    (target / "bin/mine").touch()
    (project / ".venv").symlink_to(target)
    make(project, tools, "setup")
    assert (target / "bin/mine").exists()
    assert not (project / ".venv").is_symlink()


def test_an_interrupted_installation_shows_all_and_is_made_anew(project: Path, tools: Path) -> None:
    (tools / "calls.break").touch()
    failed = make(project, tools, "setup", is_ok=False)
    assert " + package==1.0\n" in failed
    assert "no route to the index" in failed
    (tools / "calls.break").unlink()
    assert "is incomplete" in make(project, tools, "setup")
    assert make(project, tools, "setup") == ""


def test_an_environment_whose_python_is_gone_is_made_anew(project: Path, tools: Path) -> None:
    make(project, tools, "setup")
    for python in (project / ".venv/bin").glob("python*"):
        python.unlink()
    assert "is incomplete" in make(project, tools, "setup")
    assert num_installations(tools) == 2


@pytest.mark.parametrize("target", ["repro", "check"])
def test_recipes_run_what_is_installed_whatever_stands_on_path(
    project: Path, tools: Path, target: str
) -> None:
    assert f"the dvc of {project}: repro" in make(project, tools, target)


@pytest.mark.parametrize(
    ("named", "passed"), [((), ""), (("NAME=densenet121",), " densenet121"), (("NAME=",), "")]
)
def test_make_weights_passes_the_name_on(
    project: Path, tools: Path, named: tuple[str, ...], passed: str
) -> None:
    make(project, tools, "setup")
    python = project / ".venv/bin/python"
    python.unlink()  # a link to the interpreter, which a stand-in replaces
    python.write_text(
        f'#!/bin/sh\n[ "$1" = scripts/fetch_weights.py ] || exec {sys.executable} "$@"\necho "$@"\n'
    )
    python.chmod(0o755)
    said = make(project, tools, "weights", *named)
    assert said == f"scripts/fetch_weights.py data/raw/weights{passed}\n"


def test_no_recipe_relies_on_a_path_that_make_exports() -> None:
    """GNU make 3.81 looks simple commands up in its own PATH: each recipe sets it in the shell."""
    text = (ROOT / "Makefile").read_text()
    assert "export PATH :=" not in text
    recipes = [line[1:] for line in text.splitlines() if line.startswith("\t")]
    free = ("@awk ", "@test ", "@scripts/setup.sh ", "rm ", "find ", "\techo ")
    bare = [line for line in recipes if not line.startswith(("$(IN_VENV) ", *free))]
    assert bare == []


def test_without_git_the_way_on_is_said_before_anything_is_installed(
    project: Path, tools: Path
) -> None:
    shutil.rmtree(project / ".git")
    said = make(project, tools, "repro", is_ok=False)
    assert "is not a git repository, but DVC needs one" in said
    assert "git init && git add . && git commit" in said
    assert num_installations(tools) == 0
    for command in (["init"], ["add", "."], ["commit", "-m", "all"]):
        git(project, *command)
    make(project, tools, "repro")


def unpacked(project: Path) -> Path:
    folder = project.with_name("archive")
    folder.mkdir()
    subprocess.run(["tar", "x"], cwd=folder, input=git(project, "archive", "HEAD"), check=True)
    return folder


def test_a_source_archive_is_set_up_and_what_it_cannot_do_is_said(
    project: Path, tools: Path
) -> None:
    folder = unpacked(project)
    said = make(folder, tools, "setup")
    assert "'make repro' works, but experiments" in said
    assert num_installations(tools) == 1


def test_dvc_runs_in_a_source_archive_without_git(project: Path) -> None:
    (project / "dvc.yaml").write_text(
        "stages:\n  say:\n    cmd: echo said > out\n    outs: [out]\n"
    )
    git(project, "add", "dvc.yaml")
    git(project, "commit", "-m", "a stage")
    folder = unpacked(project)
    subprocess.run(["dvc", "repro", "--quiet"], cwd=folder, check=True)
    assert (folder / "out").read_text() == "said\n"
    # In the clone itself DVC has git, and keeps the output out of it.
    subprocess.run(["dvc", "repro", "--quiet"], cwd=project, check=True)
    assert (project / ".gitignore").read_text() == "/out\n"


def test_a_source_archive_that_became_a_repository_is_told_to_use_it(
    project: Path, tools: Path
) -> None:
    folder = unpacked(project)
    git(folder, "init")
    assert "Delete its line 'no_scm = true'" in make(folder, tools, "setup", is_ok=False)
    assert num_installations(tools) == 0


def test_a_folder_that_path_cannot_take_is_refused(project: Path, tools: Path) -> None:
    folder = project.rename(project.with_name("a:b"))
    assert "contains a colon" in make(folder, tools, "setup", is_ok=False)


def test_a_clone_has_the_same_bytes_whatever_git_does_with_line_ends(project: Path) -> None:
    (project / "table.csv").write_bytes(b"id,label\na,1\n")
    (project / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    git(project, "add", ".")
    git(project, "commit", "-m", "data")
    clone = project.with_name("crlf")
    git(project, "clone", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", ".", str(clone))
    for name in (*FILES, "table.csv", "picture.png"):
        assert (clone / name).read_bytes() == (project / name).read_bytes(), name
    assert os.access(clone / "scripts/setup.sh", os.X_OK)


@pytest.mark.parametrize(
    "name", ["data/raw/kaggle.zip", "data/raw/pcam/train_x.h5.gz", "data/raw/own", "data/own.zip"]
)
def test_raw_data_can_be_added_to_dvc_and_stays_out_of_git(project: Path, name: str) -> None:
    shutil.copy(ROOT / ".gitignore", project / ".gitignore")
    git(project, "add", ".")
    raw = project / name
    raw.parent.mkdir(parents=True, exist_ok=True)
    if raw.suffix:
        raw.write_bytes(b"raw")
    else:
        raw.mkdir()
        (raw / "a.tif").write_bytes(b"raw")
    git(project, "add", ".")
    subprocess.run(["dvc", "add", "--quiet", name], cwd=project, check=True)
    git(project, "add", ".")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert f"{name}.dvc" in tracked
    assert [path for path in tracked if path.startswith("data/")] == sorted(
        path
        for path in tracked
        if path.startswith("data/") and path.endswith((".dvc", ".gitignore"))
    )


def test_what_predict_writes_by_default_stays_out_of_git(project: Path) -> None:
    shutil.copy(ROOT / ".gitignore", project / ".gitignore")
    parser = argparse.ArgumentParser()
    predict.add(parser.add_subparsers())
    output = parser.parse_args(["predict", "slide.svs"]).output
    picture = f"{output}/slide.png"
    assert git(project, "check-ignore", picture).decode().strip() == picture
