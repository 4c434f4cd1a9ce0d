"""A site's part in a federation of real machines: the link to the server, and who trains.

    server ══Fleet API, TLS══ link (no torch) ──socket pair── trainer (torch, imported once)

The link is a SuperNode that accepts no code from the server: it never requests an app bundle, and
passes every message to the ClientApp that is installed on the box.
"""
