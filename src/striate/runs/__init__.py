"""What is on disk: run folders, their checkpoints, the openings of test sets."""
