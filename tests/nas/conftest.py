"""The homes that tests of NNI give it."""

from tests.nni.conftest import project, wait_for_status  # noqa: F401
