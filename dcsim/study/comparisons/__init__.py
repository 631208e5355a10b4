"""A handful of policies side by side, every run kept whole."""
