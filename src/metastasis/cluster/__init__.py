"""Runs members of the ensemble on the machines of a Ray cluster."""
