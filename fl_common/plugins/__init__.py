"""Plugins: what an installed package may add, and how it is found.

A package declares its configuration and its names as Python entry points:

    [project.entry-points.join_the_dots]            its ``conf/`` folder joins Hydra's search path
    greenhouse = "greenhouse"

    [project.entry-points."join_the_dots.net"]      a name that travels in plans and models
    pooled = "greenhouse.nets:Pooled"

Entry points are read from the metadata of installed distributions; a plugin is not imported before
it is used. docs/how-to/add-your-own.md shows a complete package.
"""
