"""The one HTTP client for calls to the platform, and how they reach devstore in demo and tests."""

from __future__ import annotations

import os
import ssl
from functools import cache

import httpx
from django.conf import settings

TIMEOUT_SECONDS = 30.0
SHOP_SUFFIX = ".myshopify.com"


class DevstoreTransport(httpx.BaseTransport):
    """Sends what is meant for a shop's domain to devstore: same path, same Host header, other address."""

    def __init__(self, devstore_url: str) -> None:
        self._devstore = httpx.URL(devstore_url)
        self._inner = httpx.HTTPTransport(verify=_certificates())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host.endswith(SHOP_SUFFIX):
            request.url = request.url.copy_with(
                scheme=self._devstore.scheme, host=self._devstore.host, port=self._devstore.port
            )
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def address_for_browsers(url: str) -> str:
    """Where a browser finds a page of a shop's admin: in demo and tests at devstore, which is told the shop by name."""
    devstore, there = httpx.URL(settings.SHOPIFY_DEVSTORE_URL), httpx.URL(url)
    if not devstore.host:
        return url
    named = there.copy_merge_params({"shop": there.host.removesuffix(SHOP_SUFFIX)})
    return str(named.copy_with(scheme=devstore.scheme, host=devstore.host, port=devstore.port))


def http() -> httpx.Client:
    """The process's client (connections don't survive a fork). Follows no redirects."""
    return _http(os.getpid(), settings.SHOPIFY_DEVSTORE_URL)


@cache
def _certificates() -> ssl.SSLContext:
    """Read once in a process: that takes longer than a call."""
    return httpx.create_ssl_context()


@cache
def _http(pid: int, devstore_url: str) -> httpx.Client:
    if devstore_url:  # proxy settings of the environment would lead past the transport
        return httpx.Client(transport=DevstoreTransport(devstore_url), timeout=TIMEOUT_SECONDS, trust_env=False)
    return httpx.Client(timeout=TIMEOUT_SECONDS)
