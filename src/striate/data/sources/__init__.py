"""Where samples come from: each file makes one table of samples out of one kind of thing."""
