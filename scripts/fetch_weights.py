"""Fetch the published weights of a network and print the next steps; without a name, list them."""

from pathlib import Path

from metastasis.base import stage
from metastasis.download import network_weights


def main(folder: Path, name: Path | None = None) -> None:
    if name is None:
        print(f"usage: make weights NAME=...\n{network_weights.listing()}")
        return
    path = network_weights.fetch(str(name), folder)
    print(f"""
The weights are in {path}. Now set in params.yaml
  train:
    model: {name}
    weights: {path.absolute()}
and run
  make repro""")


if __name__ == "__main__":
    stage.run(main)
