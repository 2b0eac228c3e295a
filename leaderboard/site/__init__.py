"""The board as pages for readers: a folder of static files, complete without a script and without a network."""
