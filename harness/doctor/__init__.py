"""What a grid needs, and whether this machine has it; nothing is downloaded but headers, and no weights are loaded."""
