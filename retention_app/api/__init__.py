"""The shell of the merchant REST API, `/api/v1/…`: keys and their scopes, errors, pages, writes that happen once, the
OpenAPI schema. Engines add resources in views that derive from `retention_app.api.view.ApiView`.
"""
