"""Applies the project's own settings of the libraries, whatever the user's environment says.

Libraries read them on import. So they are set before, and this module imports none of them.
"""

import os
import sys
import warnings

NOWHERE = os.devnull  # an empty settings file, and a folder that can't hold one

SET = {
    # By default TensorFlow leaves oneDNN off on processors without AVX-512, and is slower.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": NOWHERE,  # a keras.json would set backend, order of axes and precision
    "MPLBACKEND": "agg",  # a notebook sets its own backend, which a stage can't import
    "MATPLOTLIBRC": NOWHERE,  # fonts, sizes, colours, TeX
    # No stage sends usage statistics.
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_STUDIO_OFFLINE": "true",
}

# Variables with these prefixes change results, inputs or what is sent: they are removed.
REMOVED = (
    "TF_",  # determinism, XLA, Keras 2 instead of 3, precision of products on a GPU
    "TF2_",
    "XLA_",
    "NVIDIA_TF32_",  # precision of products on a GPU
    "ONEDNN_",  # precision of products on a CPU
    "DNNL_",  # oneDNN's older name
    "KERAS_",  # also the maximum numbers of epochs and of steps per epoch
    "OPENCV_IO_",  # which images can be decoded
    "DVC_STUDIO_",
    "STUDIO_",  # an older name of DVC_STUDIO_
    "DVCLIVE_",
    "PYTHONOPTIMIZE",  # removes docstrings and assertions, which libraries need
    "PYTHONWARNINGS",  # `error` would stop a stage at a library's warning
)

# Exceptions that users may set: they change only messages, memory or speed.
KEPT = (
    "TF_CPP_",  # how much TensorFlow's native code logs
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR",
    "TF_GPU_THREAD_",
    # Makes oneDNN compute as on an older processor, to see how the results differ.
    "ONEDNN_MAX_CPU_ISA",
)


def apply() -> None:
    """Set the environment of this process and of the processes that it starts."""
    if "PYTHONWARNINGS" in os.environ:
        _restore_warnings()
    for name in list(os.environ):
        if name.startswith(REMOVED) and not name.startswith(KEPT):
            del os.environ[name]
    os.environ.update(SET)


def apply_to_loaded() -> None:
    """Reset Matplotlib, which also reads a settings file in the working directory."""
    if matplotlib := sys.modules.get("matplotlib"):
        matplotlib.rcdefaults()


def _restore_warnings() -> None:
    """Restore Python's default filters: warnings for developers are not shown."""
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
