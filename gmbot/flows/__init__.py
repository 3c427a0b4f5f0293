"""One story a module: what happens when a message, a join, a press or a command arrives."""
