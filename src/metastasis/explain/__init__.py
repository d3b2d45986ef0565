"""The stage that shows the network's errors and where it looks."""
