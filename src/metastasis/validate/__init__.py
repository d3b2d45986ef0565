"""The gate: rules over tables and images, their verdicts and the report."""
