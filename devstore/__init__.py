"""Devstore: a stand-in for Shopify, reached over HTTP only. It shares no code with the product (see README.md)."""
