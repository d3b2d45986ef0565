"""The command `metastasis compare BASE [HEAD]`: whether HEAD's models beat BASE's."""

import argparse
import sys

from metastasis.base.errors import InputError

REGRESSED, NOT_COMPARED = 1, 2  # exit codes; argparse's own errors end with 2 as well
NAMES = "a revision or a file of scores, or several (models) separated by commas"
SCORES = "data/scores.csv"  # as `compare.revisions` has it, which takes a second to import


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "compare",
        help="report whether HEAD's models beat BASE's on the same test patches",
        epilog="Exit code: 0 improved or no evidence, 1 regressed, 2 can't be compared.",
    )
    parser.add_argument("base", metavar="BASE", help=NAMES)
    parser.add_argument(
        "head",
        metavar="HEAD",
        nargs="?",
        default=SCORES,
        help=f"likewise; by default {SCORES} of this folder",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare the models of two sides, print the result as Markdown and return the exit code."""
    from metastasis.compare import comparing, comparison_report, revisions  # noqa: PLC0415

    try:
        comparison = comparing.compare(
            revisions.read(arguments.base), revisions.read(arguments.head)
        )
    except InputError as error:
        print(f"compare: {error}", file=sys.stderr)
        return NOT_COMPARED
    print(comparison_report.markdown(comparison), end="")
    return REGRESSED if comparison.verdict == "regressed" else 0
