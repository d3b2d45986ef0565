"""Makes a stage's script run the code of its own tree, under the project's own settings.

If the interpreter optimises, it is started again without, with the same arguments. If a library's
version isn't the one in libraries.yaml, the script ends here, before an import of that library can
fail or change results.

Every script imports it first. Its tree may be the workspace, a worktree, a copied folder or DVC's
copy for a queued experiment, while the environment has only the tree that it was installed for.
"""

import multiprocessing
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from metastasis.base import errors, garbage, libraries, settings  # from the line above's tree

settings.apply()
if sys.flags.optimize:  # Altair, which Great Expectations imports, fails without docstrings
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606  # the same script
try:
    libraries.require_installed()
except errors.InputError as error:
    sys.exit(f"{Path(sys.argv[0]).name}: {error}")
if multiprocessing.current_process().name == "MainProcess":  # a worker calls no `stage.run`
    garbage.leave()  # until then, while the script imports its libraries
