"""What every floor stands on: errors, files that survive, randomness, processes, tables, figures.

It knows no picture and no network.
"""
