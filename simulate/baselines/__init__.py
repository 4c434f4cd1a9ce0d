"""Was federating worth it? The same data without an exchange, and all in one place."""
