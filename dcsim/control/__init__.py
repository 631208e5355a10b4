"""Who decides: operations, and which guest goes where, when, and how many at once."""
