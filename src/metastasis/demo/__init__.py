"""The stage that draws the demo source."""
