"""Mixed-language text, embedded or made from any source, in arms of one or many languages."""
