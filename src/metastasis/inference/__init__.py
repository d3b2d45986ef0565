"""The command `predict`: scores users' own patches, regions and slides. It is no stage."""
