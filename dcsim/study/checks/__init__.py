"""The model against measurements of one's own."""
