"""Log-likelihoods of continuations: planned, computed, stored as they come."""
