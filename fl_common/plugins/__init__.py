"""Extensions from outside: what an installed package may bring, and how it is found.

A package brings its configuration and its names by entry points (Python packaging's own):

    [project.entry-points.join_the_dots]            its ``conf/`` folder joins Hydra's search path
    greenhouse = "greenhouse"

    [project.entry-points."join_the_dots.net"]      a name that travels in plans and models
    pooled = "greenhouse.nets:Pooled"

Entry points are read from the metadata of installed distributions: nothing of a plugin is imported
before it is used. docs/how-to/add-your-own.md shows a whole package.
"""
