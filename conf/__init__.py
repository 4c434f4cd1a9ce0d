"""The Hydra configuration: a group per extension point."""
