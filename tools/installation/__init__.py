"""What `make install` does, step by step; standard library only, since it runs before all else.

``pip``: calls of pip. ``detectron2_source``: which Detectron2 is installed and why.
``detectron2_wheel``: a wheel of its Python part from PyPI's source archive. ``package``: this
project's own package and what it requires.
"""
