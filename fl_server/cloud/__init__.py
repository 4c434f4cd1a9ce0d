"""The server's side of a federation of real machines.

    sites ══TLS══ nginx (fleet paths and components, nothing else) ──loopback, TLS── SuperLink
                                                                            │ runtime, control
                                                                      runner (our ServerApp)

Flower's Control API has no authentication, so only the proxy listens to the outside.
"""
