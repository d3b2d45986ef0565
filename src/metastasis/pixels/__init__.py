"""What the pixels of patches say: stains, and hashes that flips and turns share."""
