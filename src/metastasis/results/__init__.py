"""The stages' measurements: small JSON files for other stages and for reviewers."""
