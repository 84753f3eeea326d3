"""The tiny root of the tests of the data, the config on it, and the device of the references.

``BESTIE_TEST_DEVICE=cuda python -m pytest tests/methods -k reference`` runs these on a GPU.
"""

import os

import pytest

from tests.data.conftest import cfg, root  # noqa: F401  (fixtures)
from tests.methods.reference_device import everything_on, why_not_on


@pytest.fixture(autouse=True)
def on_test_device(request):
    """A test of a reference runs on BESTIE_TEST_DEVICE (default cpu), or skips and says why."""
    name = os.environ.get("BESTIE_TEST_DEVICE", "cpu")
    is_reference = request.node.get_closest_marker("reference") or "reference" in request.path.name
    if name == "cpu" or not is_reference:
        yield
        return
    if reason := why_not_on(name):
        pytest.skip(reason)
    with everything_on(name):
        yield
