"""The formats that a source may have, and the decoding of its images."""
