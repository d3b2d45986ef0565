"""Say which values of params.yaml are wrong; if none is, print nothing."""

from pathlib import Path

from metastasis.base import stage
from metastasis.check import checking


def main(params: Path) -> None:
    checking.require_values(params)


if __name__ == "__main__":
    stage.run(main)
