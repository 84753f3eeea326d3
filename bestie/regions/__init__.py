"""Arrays that several methods share: regions of an image and what is computed on them.

Imports nothing else of the package.
"""
