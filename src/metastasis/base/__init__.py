"""Code that every script needs: params, settings, files, messages and the start of a stage."""
