"""Check every section of params.yaml and that the source is there, before anything runs."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis import checking, stage

PIPELINES = [Path("dvc.yaml"), Path("data/dvc.yaml")]  # DVC takes neither for a dependency


def main(params: Path, checked: Path) -> None:
    checking.check(params, pipeline_paths=PIPELINES, checked_path=checked)


if __name__ == "__main__":
    stage.run(main)
