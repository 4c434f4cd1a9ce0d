"""The edge node compared with a bare subscriber, on one broker and the same cores."""
