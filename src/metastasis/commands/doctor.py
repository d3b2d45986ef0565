"""The command `metastasis doctor`: the machine, the environment and the project in one screen."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from metastasis.commands import screens

if TYPE_CHECKING:  # it takes a second to import
    from metastasis.doctor.findings import Finding


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="show the machine, the libraries and the project's state, as a bug report needs them",
        epilog="Each problem has a line with what to do. Exit code: 0.",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the findings and return 0."""
    from metastasis.doctor import environment, machine, project  # noqa: PLC0415

    folder = Path.cwd()
    place = project.find(folder)
    findings = [
        *environment.examine(place),
        *machine.examine(),
        *project.examine(folder, place),
    ]
    print(screens.lay_out(_rows(findings)))
    return 0


def _rows(findings: Iterable["Finding"]) -> Iterator[screens.Row]:
    num_problems = 0
    for finding in findings:
        yield finding.name, finding.found
        if finding.advice:
            num_problems += 1
            yield "", f"-> {finding.advice}"
    yield "problems", f"{num_problems}, each marked with ->" if num_problems else "none found"
