"""The gradient loop that methods and attacks share: batches, losses of tensors, and AdamW with assembled gradients.

Invariants: randomness comes from seeds alone; padding never moves a loss; a gradient does not depend on how its batch
was cut into micro-batches; weights that were perturbed come back bit for bit.
"""

from harness.train.data import Batch, batches, encode, micro_batches, pad, pad_id, stream
from harness.train.loop import Schedule, descend, descent, gradient, rate, rows, target_tokens, trainable
from harness.train.losses import (
    Retain,
    forget_preference,
    frozen_copy,
    kl_to,
    mean_nll,
    negative_preference,
    next_token_logits,
    retain_loss,
    sequence_nll,
    token_nll,
)
from harness.train.tuning import Recipe, finetuned
from harness.train.vectors import combined, dot, norm, perturbed, scaled
from harness.train.weights import linear_maps, restored

__all__ = [
    "Batch",
    "Recipe",
    "Retain",
    "Schedule",
    "batches",
    "combined",
    "descend",
    "descent",
    "dot",
    "encode",
    "finetuned",
    "forget_preference",
    "frozen_copy",
    "gradient",
    "kl_to",
    "linear_maps",
    "mean_nll",
    "micro_batches",
    "negative_preference",
    "next_token_logits",
    "norm",
    "pad",
    "pad_id",
    "perturbed",
    "rate",
    "restored",
    "retain_loss",
    "rows",
    "scaled",
    "sequence_nll",
    "stream",
    "target_tokens",
    "token_nll",
    "trainable",
]
