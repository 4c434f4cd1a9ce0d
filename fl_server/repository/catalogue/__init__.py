"""The catalogue: recipes of pre-trained networks, and how one becomes a component.

A recipe is a YAML file under ``catalogue/``, of ours or of an installed plugin
(``fl_common.plugins``), beside a worked example of the same name (``.npz``). It says from which
file of which wheel the network is, by digest, under which licence, what a sensor must give it, and
what its answer means. ``docs/reference/catalogue.md`` has every key.
"""
