"""The invented world of the pocket benchmarks and the builder of the small models that live in it."""
