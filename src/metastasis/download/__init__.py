"""Downloads raw data and verifies it."""
