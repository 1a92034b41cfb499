"""Pictures in: folders and built-in sets become one table of samples. Knows nothing of networks."""
