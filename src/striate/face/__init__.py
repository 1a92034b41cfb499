"""The public calls that join floors. What is asked is read before torch is imported, which takes seconds."""
