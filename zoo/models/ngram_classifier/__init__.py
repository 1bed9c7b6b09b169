"""N-gram classifier: a linear model of text, to combine with recurrent ones."""
