"""The stage that divides the patches and keeps groups whole."""
