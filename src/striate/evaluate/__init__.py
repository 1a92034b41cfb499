"""Rows kept of pictures, and numbers with their count, subset and interval."""
