"""Studies as they are asked: axes, points, replications."""
