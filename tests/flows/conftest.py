"""Flows need real servers; what would make every change wait long is left to `make storm`."""

from __future__ import annotations

import os

import pytest

needs_services = pytest.mark.skipif(
    "TEST_DATABASE_ADMIN_URL" not in os.environ, reason="needs the servers of tools/services.sh (make test)"
)


BOTH_DATABASES = [
    "postgresql",
    pytest.param("sqlite", marks=pytest.mark.skipif(os.environ.get("STORM") != "full", reason="part of make storm")),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/flows/" in str(item.path):
            item.add_marker(needs_services)
