"""The gradient loop that methods and attacks share: batches, losses of tensors, and AdamW with assembled gradients.

Invariants: randomness comes from seeds alone; padding never moves a loss; a gradient does not depend on how its batch
was cut into micro-batches or shared by processes; weights that were perturbed come back bit for bit.
"""

from harness.train.adapters import adapted, factors, merged
from harness.train.data import Batch, batches, encode, micro_batches, pad, pad_id, stream
from harness.train.frozen import Frozen, frozen, frozen_copy
from harness.train.hidden import activations, direction, token_mean, tokens, truncated
from harness.train.loop import (
    Schedule,
    Term,
    descend,
    descent,
    follow,
    gradient,
    rate,
    rows,
    target_tokens,
    total_gradient,
    trainable,
)
from harness.train.losses import (
    Retain,
    divergence,
    forget_preference,
    kl_to,
    mean_nll,
    negative_preference,
    next_token_logits,
    retain_loss,
    row_nll,
    sequence_nll,
    target_logits,
    token_nll,
)
from harness.train.settings import Balanced, Paired, Training
from harness.train.trained import trained
from harness.train.tuning import Recipe, finetuned
from harness.train.unlearning import Loss, Sides, sides, weigh
from harness.train.vectors import combined, dot, norm, perturbed, scaled
from harness.train.weights import linear_maps, restored

__all__ = [
    "Balanced",
    "Batch",
    "Frozen",
    "Loss",
    "Paired",
    "Recipe",
    "Retain",
    "Schedule",
    "Sides",
    "Term",
    "Training",
    "activations",
    "adapted",
    "batches",
    "combined",
    "descend",
    "descent",
    "direction",
    "divergence",
    "dot",
    "encode",
    "factors",
    "finetuned",
    "follow",
    "forget_preference",
    "frozen",
    "frozen_copy",
    "gradient",
    "kl_to",
    "linear_maps",
    "mean_nll",
    "merged",
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
    "row_nll",
    "rows",
    "scaled",
    "sequence_nll",
    "sides",
    "stream",
    "target_logits",
    "target_tokens",
    "token_mean",
    "token_nll",
    "tokens",
    "total_gradient",
    "trainable",
    "trained",
    "truncated",
    "weigh",
]
