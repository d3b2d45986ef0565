"""The formats that a source may have, and what one image of it is."""
