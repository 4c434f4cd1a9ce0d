"""Commands on a person's own data, before anything is trained: what is in a file, and its windows.

They run on the machine of the data's owner and show raw counts; nothing that they show leaves it.
"""
