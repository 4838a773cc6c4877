"""What the storefront panel reads: `/proxy/v1/session`, answered in front of Django.

`application` answers requests, `statement` is the one read behind an answer, `answer` puts what it found into words.
"""
