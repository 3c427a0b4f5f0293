"""What makes look-ups rare: answers that are remembered for a while."""
