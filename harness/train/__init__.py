"""The gradient loop that methods and attacks share: batches, losses of tensors, and AdamW with assembled gradients.

Invariants: randomness comes from seeds alone; padding never moves a loss; a gradient does not depend on how its batch
was cut into micro-batches; weights that were perturbed come back bit for bit.
"""

from harness.train.data import Batch, batches, encode, micro_batches, pad
from harness.train.loop import Schedule, descend, descent, gradient, rows, target_tokens, trainable
from harness.train.losses import kl_to, mean_nll, next_token_logits, sequence_nll, token_nll
from harness.train.vectors import combined, dot, norm, perturbed, scaled

__all__ = [
    "Batch",
    "Schedule",
    "batches",
    "combined",
    "descend",
    "descent",
    "dot",
    "encode",
    "gradient",
    "kl_to",
    "mean_nll",
    "micro_batches",
    "next_token_logits",
    "norm",
    "pad",
    "perturbed",
    "rows",
    "scaled",
    "sequence_nll",
    "target_tokens",
    "token_nll",
    "trainable",
]
