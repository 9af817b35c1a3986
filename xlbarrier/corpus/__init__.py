"""The default corpus: parallel documents about countries, in arms of one or many languages."""
