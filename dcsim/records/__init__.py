"""What is observed: tidy tables, each column declared once, and the Result that holds them."""
