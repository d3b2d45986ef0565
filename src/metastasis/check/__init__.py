"""The stage that checks params and libraries before any other runs."""
