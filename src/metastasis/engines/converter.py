"""The process that `converting` starts: converts one file, and prints why if it refuses to."""

import sys
from pathlib import Path

from metastasis.base import starting
from metastasis.base.errors import InputError
from metastasis.engines import converting

with starting.tensorflow():
    from metastasis.engines import keras_exports

if __name__ == "__main__":
    try:
        keras_exports.write(*map(Path, sys.argv[1:]))
    except InputError as error:
        print(error)
        sys.exit(converting.REFUSED)
