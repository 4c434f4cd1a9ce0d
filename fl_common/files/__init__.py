"""Files: written whole or not at all, unpacked within bounds, and private keys."""
