"""The inverse question: which values reach some goals."""
