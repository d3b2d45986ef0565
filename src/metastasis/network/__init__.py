"""The networks and their layers, and how they are saved."""
