"""What others hand in: its form, its checks, and how it is packed."""
