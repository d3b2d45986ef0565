"""The stage that measures the network and chooses its temperature and threshold."""
