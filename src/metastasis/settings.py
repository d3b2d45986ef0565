"""The project's own settings of the libraries, whatever the user's environment says.

They are set before the libraries are imported, which read them then; so this imports none of them.
"""

import os

SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "MPLBACKEND": "agg",
}


def apply() -> None:
    """Set the environment of this process, and of those that it starts."""
    os.environ.update(SETTINGS)
