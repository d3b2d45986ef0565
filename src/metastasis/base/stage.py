"""Runs a stage's script: takes its arguments from the command line, reports mistakes briefly.

The stages' own modules do the work.
"""

import inspect
import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from metastasis.base import errors, garbage, settings
from metastasis.base.errors import InputError

INTERRUPTED = 128 + signal.SIGINT  # a shell's exit code after Ctrl-C


def run(main: Callable[..., None]) -> None:
    """Call `main` with the command line's arguments: paths, and numbers where it declares `int`.

    If the script would run the code of another tree, it ends at once: DVC would record one version
    of the code and run another. An `InputError`, missing permission or missing disk space ends the
    process with a message and exit code 1, and Ctrl-C with exit code 130, both without a traceback.
    Any other error is a bug of this project and keeps its traceback.
    """
    script = Path(sys.argv[0]).absolute()
    _require_own_code(script)
    show_any_name()
    settings.apply_to_loaded()
    garbage.collect()
    parameters = inspect.signature(main).parameters
    kinds = [int if each.annotation is int else Path for each in parameters.values()]
    try:
        arguments = [kind(text) for kind, text in zip(kinds, sys.argv[1:], strict=False)]
        inspect.signature(main).bind(*arguments, *sys.argv[len(kinds) + 1 :])
    except (TypeError, ValueError):
        names = " ".join(name.upper() for name in parameters)
        sys.exit(f"usage: python {script.parent.name}/{script.name} {names}")
    try:
        main(*arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (InputError, OSError) as error:
        message = advice(error)
        if message is None:
            raise
        sys.exit(f"{script.name}: {message}")


def advice(error: InputError | OSError) -> str | None:
    """Return what a user can do about an error; None if it is a bug of this project."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{error.filename}: {error.strerror}; its owner can change the permissions."
    if error.errno in errors.FULL:
        return f"{error.strerror}; free some space and run it again."
    return None


def _require_own_code(script: Path) -> None:
    """End the process if this package and `script` belong to different trees."""
    own, found = script.resolve().parents[1] / "src", Path(__file__).resolve().parents[2]
    if found != own:
        sys.exit(
            f"{script.name}: the script is {script}, but the code it would run is {found}; "
            f"expected {own}. Run `make setup` in {script.parents[1]}, and use its .venv."
        )


def show_any_name() -> None:
    """Print characters that the terminal's encoding lacks as escape sequences."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
