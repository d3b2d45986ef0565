"""How raw data is fetched and verified."""
