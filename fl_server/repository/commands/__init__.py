"""The commands of ``fl-repo``."""
