"""Other projects' tools, each imported only when it is used."""
