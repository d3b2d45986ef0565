"""The command `metastasis compare BASE [HEAD]`, also run as `python -m metastasis compare`."""

import argparse
import sys

from metastasis.base.errors import InputError
from metastasis.compare import comparing, comparison_report, revisions

REGRESSED, NOT_COMPARED = 1, 2  # exit codes; argparse's own errors end with 2 as well
NAMES = "a revision or a file of scores, or several (models) separated by commas"


def main(arguments: list[str] | None = None) -> int:
    """Compare the models of two sides, print the result as Markdown and return the exit code."""
    parser = argparse.ArgumentParser(prog="metastasis")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    compare = commands.add_parser(
        "compare",
        help="report whether HEAD's models beat BASE's on the same test patches",
        epilog="Exit code: 0 improved or no evidence, 1 regressed, 2 can't be compared.",
    )
    compare.add_argument("base", metavar="BASE", help=NAMES)
    compare.add_argument(
        "head",
        metavar="HEAD",
        nargs="?",
        default=revisions.SCORES,
        help=f"likewise; by default {revisions.SCORES} of this folder",
    )
    sides = parser.parse_args(arguments)
    try:
        comparison = comparing.compare(revisions.read(sides.base), revisions.read(sides.head))
    except InputError as error:
        print(f"compare: {error}", file=sys.stderr)
        return NOT_COMPARED
    print(comparison_report.markdown(comparison), end="")
    return REGRESSED if comparison.verdict == "regressed" else 0


if __name__ == "__main__":
    sys.exit(main())
