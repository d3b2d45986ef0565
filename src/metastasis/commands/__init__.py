"""The sub-commands of `metastasis`: each module adds its arguments, and imports the rest to run."""
