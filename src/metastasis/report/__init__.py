"""The stage that gathers all findings on one page and in a model card."""
