"""The networks, one file per paper, and the catalogue that lists them."""
