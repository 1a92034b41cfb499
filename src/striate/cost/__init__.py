"""What a network costs, for any `nn.Module`, found by running it once on tensors that have shapes and no storage."""
