"""Tests with real DVC of what runs again after an edit, and what doesn't."""

import json
import os
import shutil
from pathlib import Path

import pytest

from helpers.projects import AFTER_SPLIT, STAGES, edit, ran, run

pytestmark = pytest.mark.slow

COMPUTED = {"train@1-0", "score@1-0", "evaluate", "explain", "predict"}  # with Keras
NAMED = COMPUTED | {"report"}  # which names its version


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("evaluate", "tta", "none", STAGES[STAGES.index("score@1-0") :]),  # by one decision
        ("predict", "round", True, ["predict", "report"]),  # which shows all parameters
        ("split", "seed", 7, ["split", *AFTER_SPLIT]),
        ("crop", "size", 64, ["crop", *AFTER_SPLIT]),
        ("validate", "max_positive_share", 0.7, ["validate", "report"]),  # the manifest stays
        ("data", "um_per_pixel", 0.5, ["evaluate", "report"]),  # the card alone changes
        ("demo", "seed", 2, STAGES[1:]),
    ],
)
def test_an_edit_reruns_exactly_what_depends_on_it(
    project: Path, section: str, key: str, value: object, expected: list[str]
) -> None:
    edit(project, section, key, value)
    assert ran(run(project, "dvc", "repro")) == ["check", *expected]


def test_an_edit_of_a_rule_or_a_figure_reruns_its_stage_alone(project: Path) -> None:
    """The outputs stay the same bytes, so that nothing after it runs."""
    for file in ("validate/rules.py", "split/split_figures.py", "plotting.py"):
        with (project / "src" / "metastasis" / file).open("a") as code:
            code.write("# another comment\n")
    ran_again = ran(run(project, "dvc", "repro"))
    assert ran_again == ["check", "validate", "split", "evaluate", "explain", "report"]


def test_a_listed_folder_is_read_again_after_a_change_and_only_then(
    project: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(project / "data/demo", source)
    edit(project, "data", "listed", {"kaggle": str(source)})
    edit(project, "data", "source", "data/listed/kaggle.json")

    def reran() -> list[str]:
        return ran(run(project, "dvc", "repro", "ingest"))

    assert reran() == ["check", "list@kaggle", "ingest"]
    assert reran() == ["list@kaggle"]
    assert "always changed" in run(project, "dvc", "status").stdout
    added, victim = source / "train/added.tif", min((source / "train").iterdir())
    content, times = victim.read_bytes(), (victim.stat().st_atime_ns, victim.stat().st_mtime_ns)
    shutil.copyfile(victim, added)
    assert reran() == ["list@kaggle", "ingest"]
    victim.write_bytes(content[:-1] + b"!")
    os.utime(victim, ns=times)
    assert reran() == ["list@kaggle", "ingest"]
    added.unlink()
    assert reran() == ["list@kaggle", "ingest"]
    # A copy of the project, such as a clone of which the outputs were pulled, has no folder.
    source.rename(tmp_path / "away")
    result = run(project, "dvc", "repro", "ingest")
    assert ran(result) == ["list@kaggle"]
    assert "its last listing stays valid" in result.stdout


def upgrade(project: Path, name: str, *, is_recorded: bool) -> None:
    """Lock another version of a library, and record it as `make libraries` does."""
    for path, start in (
        ("uv.lock", f'name = "{name}"\nversion = "'),
        ("libraries.yaml", f"{name}: "),
    ):
        text = (project / path).read_text()
        if path == "uv.lock" or is_recorded:
            assert f"\n{start}" in text
            (project / path).write_text(text.replace(f"\n{start}", f"\n{start}9"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("keras", NAMED),
        ("tensorflow", NAMED),
        ("great-expectations", {"validate"}),
        ("dvclive", {"train@1-0"}),
        ("ruff", set()),
        ("pytest", set()),
    ],
)
def test_an_upgrade_reruns_the_stages_that_compute_with_the_library_and_no_other(
    project: Path, name: str, expected: set[str]
) -> None:
    upgrade(project, name, is_recorded=bool(expected))
    changed = json.loads(run(project, "dvc", "status", "--json").stdout)
    assert set(changed) == {"check"} | expected
    # The check is done again and says the same as before, so that nothing follows from it alone.
    reran = ran(run(project, "dvc", "repro", "check", is_ok=not expected))
    assert reran == ["check"]
    assert (name in run(project, "dvc", "params", "diff").stdout) == bool(expected)


def test_an_upgrade_that_is_not_installed_or_not_recorded_stops_before_anything_is_deleted(
    project: Path,
) -> None:
    upgrade(project, "keras", is_recorded=True)
    stopped = run(project, "dvc", "repro", is_ok=False)
    assert "is installed, libraries.yaml says 9" in stopped.stdout
    assert ran(stopped) == ["check"]
    run(project, "git", "checkout", "libraries.yaml")
    stopped = run(project, "dvc", "repro", is_ok=False)
    assert "Run `make libraries`" in stopped.stdout
    assert ran(stopped) == ["check"]
    assert (project / "models/model.keras").exists()
