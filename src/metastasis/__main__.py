"""The console script `metastasis`, also run as `python -m metastasis`: collects its commands."""

import argparse
import os
import signal
import sys

from metastasis.base import settings, stage
from metastasis.commands import compare, doctor, info, members, predict

COMMANDS = (
    predict,
    info,
    doctor,
    compare,
    members,
)  # each with `add` and `run`, in the order of the help
FAILED = 2  # exit code, as of argparse's own errors
CLOSED = 128 + signal.SIGPIPE  # a shell's exit code of a program whose output is closed


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit code."""
    parser = argparse.ArgumentParser(prog="metastasis")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    chosen = parser.parse_args(arguments)
    settings.apply()  # before a command imports the libraries
    stage.show_any_name()
    try:
        code: int = chosen.run(chosen)
        if sys.stdout:  # None if it was closed before
            sys.stdout.flush()
    except BrokenPipeError:  # as after `metastasis info | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except KeyboardInterrupt:
        return stage.INTERRUPTED
    except OSError as error:
        message = stage.advice(error)
        if message is None:
            raise
        print(f"{parser.prog}: {message}", file=sys.stderr)
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
