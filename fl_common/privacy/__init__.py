"""Privacy plans, their noise, and the accounting of what they spend."""
