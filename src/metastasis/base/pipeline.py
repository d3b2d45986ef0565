"""Reads the code, the libraries and the outputs that the stages of the pipeline declare.

A stage that DVC repeats for each entry of a param (`foreach`) is read once, as it is written. DVC
itself runs the stages.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]  # of the tree that this code belongs to
FILES = (Path("dvc.yaml"), Path("data/dvc.yaml"))  # DVC counts neither as a dependency
CODE_FOLDERS = ("src", "stages")
FILLED = "${"  # begins what DVC replaces in a path

Stage = Mapping[str, Any]  # as written in the file


def stages(paths: Iterable[Path]) -> dict[str, Stage]:
    """Return every stage of the files at `paths` by its name."""
    found: dict[str, Stage] = {}
    for path in paths:
        for name, stage in yaml.safe_load(path.read_text(encoding="utf-8"))["stages"].items():
            found[name] = stage.get("do", stage)
    return found


def code(stage: Stage, root: Path = ROOT) -> list[Path]:
    """Return the Python files below `root` that the stage declares, by file or by folder."""
    declared = [root / path for path in _paths(stage, "deps") if path.parts[0] in CODE_FOLDERS]
    files = (path.rglob("*.py") if path.is_dir() else [path] for path in declared)
    return sorted(path for group in files for path in group)


def libraries(stage: Stage, file_name: str) -> list[str]:
    """Return the libraries that the stage declares: keys of its params file `file_name`."""
    files = [entry for entry in stage.get("params", []) if isinstance(entry, Mapping)]
    return [
        name
        for entry in files
        for path, names in entry.items()
        if Path(path).name == file_name
        for name in names
    ]


def outputs(stage: Stage) -> list[Path]:
    """Return every path that the stage writes, relative to the folder of dvc.yaml.

    A path that depends on a param is given by the folder above: `data/features` for
    `data/features/${key}`.
    """
    paths = [path for kind in ("outs", "metrics", "plots") for path in _paths(stage, kind)]
    return [_fixed(path) for path in paths]


def _paths(stage: Stage, kind: str) -> Iterator[Path]:
    for entry in stage.get(kind, []):  # an entry with options is a mapping with one key
        yield Path(entry if isinstance(entry, str) else next(iter(entry)))


def _fixed(path: Path) -> Path:
    """Return the path up to its first part that DVC fills in."""
    return Path(*itertools.takewhile(lambda part: FILLED not in part, path.parts))
