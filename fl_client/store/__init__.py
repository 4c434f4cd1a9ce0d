"""The site's one SQLite file: messages that wait, windows and labels."""
