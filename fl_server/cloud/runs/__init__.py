"""The runs of one server: a queue, what carries them out, and what is asked between two rounds."""
