"""Windows from recordings, cut by what cuts them on a box.

``recordings`` reads people's files, ``times`` their stamps, ``intervals`` the labels, ``cutting``
gives all to the box's assembler, and ``command`` is ``fl-simulate windows``.
"""
