"""Detects metastases in lymph-node patches: one module a subject, imported by its name."""
