"""What many runs add up to: statistics, rankings, fronts, curves, sensitivity."""
