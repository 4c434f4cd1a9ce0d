"""Recipes of pre-trained networks: one YAML file each (docs/reference/catalogue.md)."""
