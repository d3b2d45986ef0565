"""The stage that measures the network and decides how its logits are read."""
