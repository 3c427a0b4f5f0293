"""The durable truth: records and where they are kept."""
