"""Codes any engine may hand out."""
