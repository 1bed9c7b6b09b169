"""Speech recogniser: frames of features or a waveform in, the text of a sentence out."""
