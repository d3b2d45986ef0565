"""The stage that fits a linear probe on the features of a frozen network."""
