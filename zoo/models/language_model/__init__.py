"""Language modelling: a text in, its continuation and its probability out."""
