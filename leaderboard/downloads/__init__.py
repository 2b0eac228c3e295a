"""The board as files for machines and papers."""
