"""Webhook intake, the ASGI application in front of Django (DESIGN 4): nothing is acknowledged before it is committed.

`application` answers requests, `headers` bounds what they say, `group_writer` collects what arrives together,
`delivery_table` writes it, `wake_ups` tells the workers afterwards. Parsing happens in the worker (`intake`).
"""
