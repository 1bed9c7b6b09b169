"""The dataset `wikitext2`."""
