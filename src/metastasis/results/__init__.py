"""What stages measure, as small JSON files for each other and for reviewers."""
