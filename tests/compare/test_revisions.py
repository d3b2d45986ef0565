"""Tests of `compare.revisions` and of the command line, in a small repository with real DVC."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.files import ROOT
from helpers.sides import write_scores
from metastasis import __main__
from metastasis.base.errors import InputError
from metastasis.compare import revisions


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three models' scores: good.csv, bad.csv and, in data/, a good one."""
    monkeypatch.chdir(tmp_path)
    for name, apart in (("good.csv", 2.6), ("bad.csv", 1.8), ("data/scores.csv", 2.6)):
        write_scores(tmp_path / name, apart)
    return tmp_path


@pytest.mark.usefixtures("scores")
def test_a_worse_head_ends_with_one_and_anything_else_with_zero(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert __main__.main(["compare", "good.csv", "bad.csv"]) == 1
    assert capsys.readouterr().out.startswith("**regressed**: test AUC 0.9")
    assert __main__.main(["compare", "bad.csv", "good.csv"]) == 0
    assert capsys.readouterr().out.startswith("**improved**")
    assert __main__.main(["compare", "good.csv", "good.csv"]) == 0
    assert capsys.readouterr().out.startswith("**no evidence**")


@pytest.mark.usefixtures("scores")
def test_without_a_head_the_scores_here_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    __main__.main(["compare", "bad.csv", "data/scores.csv"])
    named = capsys.readouterr().out
    assert __main__.main(["compare", "bad.csv"]) == 0
    assert capsys.readouterr().out == named


@pytest.mark.usefixtures("scores")
def test_several_models_a_side_are_separated_by_commas(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["compare", "good.csv", "bad.csv,good.csv,bad.csv"]) == 0
    out = capsys.readouterr().out
    assert "| base | 1 |" in out
    assert "| head | 2 |" in out  # different ones


def test_ids_and_slides_are_text_and_an_empty_slide_is_unknown(scores: Path) -> None:
    (scores / "text.csv").write_text(
        "id,split,label,slide,logit\n007,test,1,NA,0.5\n1e5,test,0,,1\nnan,test,0,01,\n"
    )
    (table,) = revisions.read("text.csv")
    assert table["id"].tolist() == ["007", "1e5", "nan"]
    assert table["slide"].tolist()[::2] == ["NA", "01"]
    assert table["slide"].isna().tolist() == [False, True, False]
    assert table["logit"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "id,split,label,slide,logit\na,test,1,x,0\nb,test,1,x,0,0\n",
            "are truncated or damaged: a row doesn't fit",
        ),
        ("id,split,label,slide,logit\na,test,2,x,0\n", "hold a label other than 0"),
        ("id,split,label,slide,logit\na,test,1,x,high\n", "hold a label other than 0"),
    ],
)
def test_a_file_that_holds_no_scores_is_refused_with_what_to_do(
    scores: Path, content: str, message: str
) -> None:
    (scores / "other.csv").write_text(content)
    with pytest.raises(InputError, match=rf"the scores of other\.csv {message}.*dvc repro --force"):
        revisions.read("other.csv")


@pytest.mark.parametrize(
    ("content", "first_line"),
    [
        (b"id,split,label,logit\na,test,1,0\n", "'id,split,label,logit'"),
        (b"data:\n  source: data/demo, or\n    another: one\n", "'data:'"),
        (b"", "''"),
        (b"PK\x03\x04\x00\xff\xfe", "'not text'"),
        (b"\xff\xfei\x00d\x00", "'not text'"),
        (b"x" * 10_000, f"'{'x' * 60}'"),
    ],
)
def test_any_other_file_is_named_with_its_first_line_and_what_was_expected(
    scores: Path, content: bytes, first_line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (scores / "params.yaml").write_bytes(content)
    assert __main__.main(["compare", "params.yaml"]) == 2
    assert capsys.readouterr().err == (
        f"compare: params.yaml holds no scores: its first line is {first_line}; expected a CSV "
        "with the columns id, split, label, slide, logit, as evaluate writes it to "
        "data/scores.csv. Name such a file, or a commit, branch or tag.\n"
    )


@pytest.mark.usefixtures("scores")
def test_a_list_longer_than_a_file_name_may_be_is_a_list() -> None:
    assert len(revisions.read(",".join(["good.csv"] * 40))) == 40


@pytest.mark.usefixtures("scores")
def test_blanks_around_a_name_are_no_part_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["compare", "good.csv, bad.csv", "good.csv"]) == 0
    assert "| base | 2 |" in capsys.readouterr().out


def test_make_compare_without_a_base_gives_its_usage() -> None:
    command = ["make", "compare", "SYNCED=", "UV=uv"]  # as if the environment were installed
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: make compare BASE=main [HEAD=branch]\n")
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("scores")
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("gone.csv", r"gone\.csv doesn't exist; expected scores.*Run `dvc repro`"),
        ("good.csv,", "a name is empty"),
        ("main", r"main is neither a file nor a revision \(.* is not a git repository\)"),
    ],
)
def test_a_name_that_leads_nowhere_ends_with_two_and_one_line(
    names: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=message):
        revisions.read(names)
    assert __main__.main(["compare", names]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("compare: ")
    assert captured.err.count("\n") == 1


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "tester", f"GIT_{role}_EMAIL": "tester@example.org"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def compare(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "metastasis", "compare", *names)


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", message)


@pytest.mark.slow
def test_a_project_inside_a_repository_is_compared_and_what_cannot_be_read_has_not_regressed(
    tmp_path: Path,
) -> None:
    """Exit code 1 says "regressed": a CI script must not read it where a remote fails."""
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    run(tmp_path, "git", "init", "--quiet")
    run(project, "dvc", "init", "--quiet", "--subdir")
    write_scores(project / "drawn.csv", 2.6)
    stage = {"cmd": "cp drawn.csv data/scores.csv", "deps": ["drawn.csv"]}
    pipeline = yaml.safe_dump({"stages": {"evaluate": stage | {"outs": ["data/scores.csv"]}}})
    (project / "dvc.yaml").write_text(pipeline)
    assert run(project, "dvc", "repro", "--quiet").returncode == 0
    commit(tmp_path, "a model")
    same = compare(project, "HEAD")
    assert same.returncode == 0, same.stderr
    assert same.stdout.startswith("**no evidence**")

    (project / "dvc.yaml").write_text(pipeline.replace("cmd", "command"))
    commit(tmp_path, "a mistake")
    (project / "dvc.yaml").write_text(pipeline)
    run(project, "dvc", "remote", "add", "--default", "far", "gs://bucket")
    commit(tmp_path, "a remote whose library isn't installed")
    shutil.rmtree(project / ".dvc/cache")
    for name, reason in (
        ("HEAD~1", "dvc.yaml' validation failed"),
        ("HEAD", "requires 'dvc-gs'"),
        ("HEAD^{tree}", ""),
    ):
        missing = compare(project, name)
        assert missing.returncode == 2, missing.stderr
        assert f"data/scores.csv of {name} can't be read (" in missing.stderr
        assert reason in missing.stderr
        assert "Traceback" not in missing.stderr


@pytest.mark.slow
def test_two_revisions_are_compared_by_what_dvc_has_of_them(tmp_path: Path) -> None:
    run(tmp_path, "git", "init", "--quiet")
    run(tmp_path, "git", "commit", "--quiet", "--allow-empty", "--message", "empty")
    run(tmp_path, "git", "tag", "empty")
    run(tmp_path, "dvc", "init", "--quiet")
    stage = {"cmd": "cp drawn.csv data/scores.csv", "deps": ["drawn.csv"]}
    stages = {"evaluate": stage | {"outs": ["data/scores.csv"]}}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "data").mkdir()
    for name, apart in (("never-run", 1.0), ("good", 2.6), ("bad", 1.8)):
        write_scores(tmp_path / "drawn.csv", apart)
        if name != "never-run":
            assert run(tmp_path, "dvc", "repro", "--quiet").returncode == 0
        run(tmp_path, "git", "add", "--all")
        run(tmp_path, "git", "commit", "--quiet", "--message", name)
        run(tmp_path, "git", "tag", name)
    assert "data/scores.csv" not in run(tmp_path, "git", "ls-files").stdout.splitlines()

    lost = compare(tmp_path, "good", "bad")
    assert lost.returncode == 1, lost.stderr
    assert lost.stdout.startswith("**regressed**")
    assert "of 30 slides" in lost.stdout
    here = compare(tmp_path, "HEAD~1")
    assert (here.returncode, here.stdout) == (1, lost.stdout)
    won = compare(tmp_path, "bad", "good")
    assert (won.returncode, won.stderr) == (0, "")
    assert won.stdout.startswith("**improved**")

    for names, message in (
        ("goood", "goood is neither a file nor a revision (unknown Git revision 'goood')"),
        ("never-run", "never-run has no dvc.lock, the record of its run. Check never-run o"),
        ("empty", "empty has no dvc.lock, the record of its run. Check empty out, run `dvc"),
    ):
        missing = compare(tmp_path, names)
        assert missing.returncode == 2
        assert message in missing.stderr
        assert "Traceback" not in missing.stderr
    lock = (tmp_path / "dvc.lock").read_text()
    run(tmp_path, "git", "rm", "--quiet", "dvc.lock")
    run(tmp_path, "git", "commit", "--quiet", "--message", "without what the run gave")
    (tmp_path / "dvc.lock").write_text(lock)  # as it stands after `dvc repro`
    fresh = compare(tmp_path, "HEAD")
    assert fresh.returncode == 2
    assert "HEAD has no dvc.lock, the record of its run. The file is here but unc" in fresh.stderr
    assert "commit it" in fresh.stderr
    assert "run `dvc repro`" not in fresh.stderr
    run(tmp_path, "git", "clone", "--quiet", ".", "clone")
    lost = compare(tmp_path / "clone", "good", "bad")
    assert lost.returncode == 2
    assert "data/scores.csv of good isn't in DVC's cache. Check good out" in lost.stderr
    assert "Traceback" not in lost.stderr
