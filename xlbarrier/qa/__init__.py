"""Questions with answers, as files hold them, written out as training text."""
