"""Numbers with their count, subset and interval."""
