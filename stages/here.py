"""Makes a script of this folder run the code of its own tree, under the project's own settings.

A library in another version than libraries.yaml records ends it here, before anything is imported
that may fail for that reason, or computes something else.

Every script imports it first. Its tree may be the workspace, a worktree, a copied folder, or what
DVC lays out for a queued experiment, while the environment knows only the one it was installed for.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from metastasis.base import errors, libraries, settings  # of the tree that the line above names

settings.apply()
try:
    libraries.require_installed()
except errors.InputError as error:
    sys.exit(f"{Path(sys.argv[0]).name}: {error}")
