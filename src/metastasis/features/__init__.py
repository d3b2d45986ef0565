"""The stage that runs a frozen network over every patch."""
