"""The stage that divides the patches, groups kept whole."""
