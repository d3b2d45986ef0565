"""Download the competition's zip from Kaggle and print the next steps."""

from pathlib import Path

from metastasis.base import stage
from metastasis.download import kaggle_client


def main(folder: Path) -> None:
    path = kaggle_client.fetch(folder)
    print(f"""
The data is in {path}. Now set in params.yaml
  data:
    source: {path.absolute()}
and run
  make repro""")


if __name__ == "__main__":
    stage.run(main)
