"""The stage that writes the final model for other runtimes, and measures what it wrote."""
