"""Whether one side's models beat the other's."""
