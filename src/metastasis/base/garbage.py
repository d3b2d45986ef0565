"""Keeps Python from looking for garbage while libraries are imported.

They make hundreds of thousands of objects that stay, and Python would look through them again and
again: a fourth of the time in which TensorFlow starts (`benchmarks/starting.py`).
"""

import gc


def leave() -> None:
    """Don't look for garbage, until `collect` is called."""
    gc.disable()


def collect() -> None:
    """Look for garbage again, but only among what is made from now on."""
    gc.freeze()
    gc.enable()
