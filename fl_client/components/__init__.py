"""A site's side of the component repository: what is offered is taken, tried, kept or given back.

``follower`` asks the repository, ``switch`` changes from one version to the next and back through
any power cut, ``health`` judges the new version, ``shadow`` runs a candidate that acts on nothing,
``poll`` does it again and again.
"""
