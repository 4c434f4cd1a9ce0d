"""A site's side of the component repository: install what is offered, try it, keep or undo it.

``follower`` checks the repository for each ``subscription`` (a model, or a function). ``rollout``
moves from one version to the next, and back, safely through power cuts; ``targets`` are where the
versions run. ``health`` judges a new version. ``shadow`` and ``function_shadow`` run candidates
whose results are not used. ``poll`` repeats the check; ``inventory`` reads what runs from the
files.
"""
