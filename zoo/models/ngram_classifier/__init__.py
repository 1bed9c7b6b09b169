"""N-gram classifier: a linear model of text, to stand beside recurrent ones."""
