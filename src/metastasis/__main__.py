"""The console script `metastasis`, also run as `python -m metastasis`: collects its commands."""

import argparse
import sys

from metastasis.base import settings
from metastasis.commands import compare, predict

COMMANDS = (predict, compare)  # each with `add` and `run`, in the order of the help


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit code."""
    parser = argparse.ArgumentParser(prog="metastasis")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    chosen = parser.parse_args(arguments)
    settings.apply()  # before a command imports the libraries
    code: int = chosen.run(chosen)
    return code


if __name__ == "__main__":
    sys.exit(main())
