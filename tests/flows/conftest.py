from __future__ import annotations

import os

import pytest

needs_services = pytest.mark.skipif(
    "TEST_DATABASE_ADMIN_URL" not in os.environ, reason="needs the servers of tools/services.sh (make test)"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/flows/" in str(item.path):
            item.add_marker(needs_services)
