"""The commands of the component repository."""
