"""Many sites trained as one computation: parameters stacked per site, windows side by side.

The stack of S sites has its parameters in one matrix (S, P), a row per site, and a batch of S * B
windows, those of each site in a row. Layers without parameters see one large batch; layers with
parameters see (S, B, ...) and use each site's own row.
"""
