"""The stage that reads the source once."""
