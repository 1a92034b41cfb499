"""What is learned from a picture: target, loss, measures."""
