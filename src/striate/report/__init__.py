"""What a person looks at after a training: one self-contained page with its figures."""
