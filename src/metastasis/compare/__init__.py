"""The comparison of two sides' models."""
