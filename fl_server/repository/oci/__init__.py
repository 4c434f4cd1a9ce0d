"""Components to and from OCI registries."""
