"""Detects metastases in lymph-node patches; each module covers one subject."""
