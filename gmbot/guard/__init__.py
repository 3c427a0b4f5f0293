"""The domain: which group wants which channels, who is in, whom we hold, what a notice says."""
