"""Privacy plans, the noise they ask for, and the accounting of what they spend."""
