"""From answers to numbers: the rows of results.json, for a study and for recorded answers alike."""
