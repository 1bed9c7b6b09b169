"""Audio classifier: frames of features or a waveform in, probabilities of labels out."""
