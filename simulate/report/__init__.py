"""What a run shows and leaves: console, tables, figures, the page, the files."""
