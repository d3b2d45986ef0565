"""Starts TensorFlow without its chatter.

Only the scripts that compute with it import this.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from metastasis.base.stage import INTERRUPTED


@contextmanager
def tensorflow() -> Iterator[None]:
    """Hold back what TensorFlow's native code writes to stderr while it is imported and started.

    It reports there at length that all is well, before any setting of its log level takes effect.
    If anything is raised, what was held back is shown.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            import tensorflow as tf  # noqa: PLC0415  # 4 s that other stages don't pay

            tf.config.list_physical_devices()  # looks for GPUs, and says so
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
