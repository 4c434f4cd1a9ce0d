"""Labels from a box's command line: an interval told, what was told so far, and one taken back."""
