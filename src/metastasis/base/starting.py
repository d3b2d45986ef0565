"""Starts TensorFlow: without its start-up messages, and so that it computes alike on all devices.

Only what computes with TensorFlow imports this module.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from metastasis.base import garbage
from metastasis.base.stage import INTERRUPTED


@contextmanager
def tensorflow() -> Iterator[None]:
    """Import TensorFlow and what needs it, and hold back what its native code writes to stderr.

    It writes long messages without a problem, before any setting of its log level takes effect.
    They are shown only if an exception is raised.

    Then TensorFlow computes the same in each run, and float32 on a GPU as on a CPU but for the
    order of sums: with its defaults a GPU rounds the factors of products to 10 bits (TF32). Keras
    doesn't compile with XLA then, which takes a GPU most of a minute for each network.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    garbage.leave()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            import tensorflow as tf  # noqa: PLC0415  # 4 s that other stages don't pay

            tf.config.list_physical_devices()  # looks for GPUs and logs it
            tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
            tf.config.experimental.enable_op_determinism()
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            garbage.collect()
            os.dup2(stderr, 2)
            os.close(stderr)
