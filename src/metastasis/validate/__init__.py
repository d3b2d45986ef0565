"""The gate: rules on tables and images, their verdicts and the report."""
