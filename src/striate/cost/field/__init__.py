"""Which pixels of the picture each cell of each tensor depends on."""
