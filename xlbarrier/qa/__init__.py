"""Questions with answers, read from files and written out as training text."""
