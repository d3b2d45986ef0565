"""Write the changes of a pull request as Markdown: verdict, metrics and params of two folders."""

from pathlib import Path

from metastasis.base import stage
from metastasis.base.errors import InputError
from metastasis.compare import comparing, comparison_report, differences, revisions

MARK = "<!-- compare -->"  # the workflow finds its comment by this mark


def main(base_folder: Path, head_folder: Path, report_path: Path) -> None:
    parts = (
        f"{MARK}\n## Base and head, reproduced on one machine\n",
        verdict(base_folder, head_folder),
        f"### Metrics\n\n{differences.metrics(base_folder, head_folder)}",
        f"### Params\n\n{differences.params(base_folder, head_folder)}",
    )
    report_path.write_text("\n".join(parts), encoding="utf-8")
    print(f"pull_request: written to {report_path}")


def verdict(base_folder: Path, head_folder: Path) -> str:
    """Return the verdict, or why there is none: a pull request may change the split."""
    sides = [str(folder / revisions.SCORES) for folder in (base_folder, head_folder)]
    try:
        return comparison_report.markdown(comparing.compare(*map(revisions.read, sides)))
    except InputError as error:
        return f"**no verdict**: {error}\n"


if __name__ == "__main__":
    stage.run(main)
