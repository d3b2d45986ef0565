"""What tests of several modules share, by its subject."""
