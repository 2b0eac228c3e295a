"""lm-eval's own tasks, scored in process by our engines; an attacker's prompts are applied on the way."""

from harness.lm_eval_bridge.model import EngineLM
from harness.lm_eval_bridge.samples import Sample, Target
from harness.lm_eval_bridge.tasks import Tasks, load_tasks

__all__ = ["EngineLM", "Sample", "Target", "Tasks", "load_tasks"]
