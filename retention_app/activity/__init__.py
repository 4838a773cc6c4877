"""What came in, what we did, what failed, in the shop's words: the merchant's view of the queues and of the audit."""
