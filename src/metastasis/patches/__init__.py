"""Patches on disk, and the eight flips and turns of a patch."""
