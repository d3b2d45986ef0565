"""The stage that writes the submission."""
