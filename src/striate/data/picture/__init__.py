"""Bytes to pixels to a canvas, and back: without torch."""
