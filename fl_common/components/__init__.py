"""The component repository: signed static files that the cloud writes and sites read.

It is built on The Update Framework (https://theupdateframework.github.io/specification/latest/).
"""
