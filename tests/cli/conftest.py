"""The tiny root of the drawings is what the command that draws is tried on."""

from tests.visualization.conftest import dataset  # noqa: F401  (a fixture)
