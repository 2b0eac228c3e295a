"""Benchmarks: target models, what may be seen of their world, and how knowledge is scored."""
