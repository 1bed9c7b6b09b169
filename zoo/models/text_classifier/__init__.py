"""Text classifier: text in, probabilities of labels out."""
