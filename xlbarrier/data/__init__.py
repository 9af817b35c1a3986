"""Text to token ids, ids to packed rows, rows to batches."""
