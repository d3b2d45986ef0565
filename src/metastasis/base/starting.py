"""Starts TensorFlow without its start-up messages.

Only what computes with TensorFlow imports this module.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from metastasis.base.stage import INTERRUPTED


@contextmanager
def tensorflow() -> Iterator[None]:
    """Hold back the messages that TensorFlow's native code writes to stderr while it starts.

    It writes long messages without a problem, before any setting of its log level takes effect.
    They are shown only if an exception is raised.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            import tensorflow as tf  # noqa: PLC0415  # 4 s that other stages don't pay

            tf.config.list_physical_devices()  # looks for GPUs and logs it
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
