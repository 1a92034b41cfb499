"""What every floor stands on: errors, files that survive, randomness, processes. Knows no picture and no network."""
