"""The tiny root of the tests of the data, and the config on it."""

from tests.data.conftest import cfg, root  # noqa: F401  (fixtures)
