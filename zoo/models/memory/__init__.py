"""Models of sequences of symbols or values, for measuring how long an architecture remembers."""
