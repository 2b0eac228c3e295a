"""What the page says and draws of one experiment: where it stands, its figure, links to its boards."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.board import Board
from leaderboard.downloads.tables import experiment_slug
from leaderboard.experiments import Experiment
from leaderboard.site.addresses import board_address
from leaderboard.site.step_panels import StepPanels, step_panels


@dataclass(frozen=True)
class ExperimentPage:
    """Everything the template needs for one experiment."""

    slug: str
    experiment: Experiment
    panels: StepPanels | None

    @property
    def board(self) -> Board:
        """The board of its first step."""
        return self.experiment.first

    @property
    def heading(self) -> str:
        """Its title in one line."""
        parts = (self.board.card.title, self.board.scale_words, self.experiment.variant)
        return f"{self.experiment.question.title}: {', '.join(part for part in parts if part)}"

    @property
    def links(self) -> tuple[tuple[int, str], ...]:
        """Step and address of every board."""
        pairs = zip(self.experiment.steps, self.experiment.boards, strict=True)
        return tuple((step, board_address(table.board)) for step, table in pairs if table is not None)


def experiment_page_of(experiment: Experiment) -> ExperimentPage:
    """Assemble the section of one experiment."""
    return ExperimentPage(experiment_slug(experiment), experiment, step_panels(experiment))
