"""The project's own settings of the libraries, whatever the user's environment says.

They are set before the libraries are imported, which read them then; so this imports none of them.
"""

import os
import sys
import warnings

NOWHERE = os.devnull  # as a settings file it is empty, as a folder it can't hold one

SET = {
    # Without it TensorFlow leaves oneDNN off on processors without AVX-512, and takes longer.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": NOWHERE,  # a keras.json chooses the backend, the order of axes, the precision
    "MPLBACKEND": "agg",  # a notebook names its own, which a stage can't import
    "MATPLOTLIBRC": NOWHERE,  # fonts, sizes, colours, TeX
    # No stage reports to anybody that it ran.
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_STUDIO_OFFLINE": "true",
}

# A variable whose name begins so changes what is computed, read or sent. It is removed.
REMOVED = (
    "TF_",  # determinism, XLA, Keras 2 in place of 3, precision of products on a GPU
    "TF2_",
    "XLA_",
    "NVIDIA_TF32_",  # precision of products on a GPU
    "ONEDNN_",  # precision of products on a CPU
    "DNNL_",  # oneDNN's older name
    "KERAS_",  # also the most epochs and steps an epoch
    "OPENCV_IO_",  # which images can be decoded
    "DVC_STUDIO_",
    "STUDIO_",  # an older name of the former
    "DVCLIVE_",
    "PYTHONWARNINGS",  # `error` stops a stage for what a library does
)

# What begins so and is the user's to decide: it changes messages, memory or speed alone.
KEPT = (
    "TF_CPP_",  # how much TensorFlow's native code logs
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR",
    "TF_GPU_THREAD_",
    # Makes oneDNN compute as on an older processor, to see how results differ there.
    "ONEDNN_MAX_CPU_ISA",
)


def apply() -> None:
    """Set the environment of this process, and of those that it starts."""
    if "PYTHONWARNINGS" in os.environ:
        _restore_warnings()
    for name in list(os.environ):
        if name.startswith(REMOVED) and not name.startswith(KEPT):
            del os.environ[name]
    os.environ.update(SET)


def apply_to_loaded() -> None:
    """Undo what a library has read elsewhere: Matplotlib takes a file in the working directory."""
    if matplotlib := sys.modules.get("matplotlib"):
        matplotlib.rcdefaults()


def _restore_warnings() -> None:
    """Show warnings as Python does by itself; those meant for developers are left out."""
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
