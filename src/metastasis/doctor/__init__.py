"""What `metastasis doctor` finds out about the machine, the environment and the project."""
