"""The pass over tensors that have shapes and no storage: who is called, and what it calls."""
