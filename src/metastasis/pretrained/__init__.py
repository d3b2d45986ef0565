"""Networks that start from published weights: their layers, and the files of weights."""
