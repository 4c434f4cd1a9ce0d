"""A site's side of the component repository: what is offered is taken, tried, kept or given back.

``follower`` asks the repository for all that is ``followed``, a model and functions; ``switch``
changes from one version to the next and back through any power cut, in the ``places`` where they
run; ``health`` judges the new version; ``shadow`` and ``function_shadow`` run candidates that act
on nothing; ``poll`` does it again and again; ``running`` says what runs, from the files.
"""
