"""The dataset `film_sentences`."""
