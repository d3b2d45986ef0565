"""The stage that shows errors and where the network looks."""
