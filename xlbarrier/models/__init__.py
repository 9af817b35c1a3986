"""The decoder, its weights in and out of files, and where models come from."""
