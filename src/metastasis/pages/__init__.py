"""Static pages that open offline: what those of several stages share."""
