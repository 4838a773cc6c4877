"""What operators see and do over all shops: stuck rows, replay, deadlines. Their pages are `/console/`."""
