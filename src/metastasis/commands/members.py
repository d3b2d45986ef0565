"""The command `metastasis members ADDRESS`: train the members of the ensemble on a Ray cluster."""

import argparse
import sys

from metastasis.base.errors import InputError

SOME_FAILED, NOT_STARTED = 1, 2  # exit codes; argparse's own errors end with 2 as well


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "members",
        help="train the members of the ensemble on the machines of a Ray cluster",
        description="Train and score each member that isn't yet, one on a machine at a time, in "
        "the folder of the project. Afterwards `dvc repro` runs only the stages after them. See "
        "docs/ensembles.md.",
        epilog="Exit code: 0 all members are there, 1 some failed, 2 wrong usage or no cluster.",
    )
    parser.add_argument(
        "address",
        metavar="ADDRESS",
        help="HOST:PORT of the cluster's head, as `ray start --head` prints it",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train the members, print what came of each and return the exit code."""
    from metastasis.base import params  # noqa: PLC0415
    from metastasis.cluster import sharing_out  # noqa: PLC0415
    from metastasis.train.train_params import TrainParams  # noqa: PLC0415

    try:
        train = params.read("train", TrainParams)
        _require_one_worker(train.workers)
        members = train.members
        summary = sharing_out.share_out(members, arguments.address, _say)
    except InputError as error:
        print(f"members: {error}", file=sys.stderr)
        return NOT_STARTED
    found = len(members) - len(summary.failed)
    _say(
        f"{found} of {len(members)} are trained and scored, {len(summary.done)} of them now; "
        "`dvc repro` goes on from here"
    )
    if summary.failed:
        print(f"members: failed: {', '.join(sorted(summary.failed))}", file=sys.stderr)
        return SOME_FAILED
    return 0


def _require_one_worker(num: int) -> None:
    if num > 1:
        raise InputError(
            f"train.workers = {num} trains each member on several machines, and this command "
            "each member on one: set train.workers to 1, or run `dvc repro`."
        )


def _say(line: str) -> None:
    print(f"members: {line}", flush=True)
