"""The site's one SQLite file: waiting messages, windows and labels."""
