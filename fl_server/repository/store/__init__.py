"""The writing half of the component repository: signed static files in a folder."""
