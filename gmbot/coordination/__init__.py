"""What several instances agree on: updates that were acknowledged before their end."""
