"""Runs a command that ends when its caller does, however the caller ends.

A worker of Ray may be killed at any time. What it had started would go on: it would use the
machine, and a second try would find this member's training locked. So the command runs below a
process of its own, which `member_runs` starts from this file.

usage: python guarding.py LOG COMMAND... ; prints the exit code of the command
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


def main(log: str, *command: str) -> None:
    """Run the command with its output in the file `log`; kill it when stdin ends."""
    # Neither a child of the worker nor in its group: Ray kills those, and would end the guard.
    if os.fork():
        os._exit(0)
    os.setsid()
    with Path(log).open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  # of `member_runs`
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    threading.Thread(target=_kill_at_the_end, args=(process.pid,), daemon=True).start()
    print(process.wait(), flush=True)


def _kill_at_the_end(group: int) -> None:
    sys.stdin.buffer.read()  # returns when the caller, which holds the other end, is gone
    os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
