"""A hash that the flips and turns of a patch share, and pairs of equal hashes."""
