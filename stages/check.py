"""Check params and libraries before any other stage runs and DVC deletes its outputs."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import pipeline, stage
from metastasis.check import checking


def main(params: Path, libraries: Path, lock: Path, checked: Path) -> None:
    checking.check(
        params,
        libraries_path=libraries,
        lock_path=lock,
        pipeline_paths=pipeline.FILES,
        checked_path=checked,
    )


if __name__ == "__main__":
    stage.run(main)
