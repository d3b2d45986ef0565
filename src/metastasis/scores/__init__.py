"""The scoring of patches with a saved network, and the intervals of metrics."""
