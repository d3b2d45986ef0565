"""The stage that gathers everything on one page and in a model card."""
