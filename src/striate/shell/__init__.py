"""What is typed and what is seen: the command, its verbs, its sentences and tables."""
