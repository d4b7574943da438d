"""What several provider tests share."""

from __future__ import annotations

import pytest

from tests.integration.providers.reference_smtp import Authority, make_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of our own, and a server certificate for localhost."""
    return make_authority(tmp_path_factory.mktemp("authority"))
