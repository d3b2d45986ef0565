"""Download PatchCamelyon from Zenodo and print the next steps."""

from pathlib import Path

from metastasis.base import stage
from metastasis.download import downloading
from metastasis.formats import pcam_record


def main(folder: Path) -> None:
    downloading.fetch(pcam_record.FILES, folder)
    print(f"""
PatchCamelyon is in {folder}. Now set in params.yaml
  data:
    source: {folder.absolute()}
  validate:
    ids: any
  split:
    official: true   # its own test part, for numbers that others can compare
and run
  make repro""")


if __name__ == "__main__":
    stage.run(main)
