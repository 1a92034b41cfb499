"""Which networks there are, one file per paper; none of these files imports torch."""
