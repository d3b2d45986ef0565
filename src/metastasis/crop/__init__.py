"""The stage that cuts out the centre."""
