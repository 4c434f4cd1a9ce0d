"""The edge node beside a bare subscriber, on one broker and the same cores."""
