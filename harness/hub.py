"""Why something could not be had from the model hub, and what a user can do about it.

The libraries wrap one error in another, so the cause is looked for along the whole chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from huggingface_hub import get_hf_file_metadata, hf_hub_url, is_offline_mode
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from harness.faults import Fault, attempt
from harness.presets import GATED

Kind = Literal["dataset", "model"]
Cause = Literal["gated", "missing", "revision", "offline", "unreachable", "other"]

TIMEOUT_S = 5
TOKENIZER = "config.json special_tokens_map.json tokenizer.json tokenizer.model tokenizer_config.json"
"""Files of Llama-2-7B that make up its tokenizer, without its weights."""
ASKED_FOR: Mapping[Kind, str] = {"model": "config.json", "dataset": "README.md"}
REFUSED = (401, 403)
"""HTTP statuses of a repository that is there, but not for this account."""


@dataclass(frozen=True)
class Repo:
    """A repository of the hub.

    Attributes:
        kind: What it holds.
        id: ``org/name``.
        revision: Commit; empty where none is pinned.
        tokenizer_only: Whether nothing but its tokenizer is wanted, for models of another repository.
    """

    kind: Kind
    id: str
    revision: str = ""
    tokenizer_only: bool = False

    @property
    def page(self) -> str:
        """Its page for people."""
        return f"https://huggingface.co/{'datasets/' if self.kind == 'dataset' else ''}{self.id}"

    @property
    def fetch(self) -> str:
        """The command that copies what is wanted of it, at the pinned commit, to a folder laid out as the hub is."""
        files = f" {TOKENIZER}" if self.tokenizer_only else ""
        pinned = f" --revision {self.revision}" if self.revision else ""
        return f"hf download {self.id}{files} --repo-type {self.kind}{pinned} --local-dir ROOT/{self.id}"

    @property
    def use(self) -> str:
        """How a copy below ROOT is used."""
        if self.tokenizer_only:
            return "--model ROOT/ORG/NAME, where a copy of the model lies that is read with it; it is found beside it"
        return "--data-root ROOT" if self.kind == "dataset" else f"--model ROOT/{self.id}"

    @property
    def access(self) -> str:
        """How an account gets at it, if it is gated."""
        return (
            f"(1) open {self.page}, sign in and ask for or accept access; (2) create a read token at "
            "https://huggingface.co/settings/tokens; (3) give it with `hf auth login` or as HF_TOKEN"
        )


@dataclass(frozen=True)
class Access:
    """What the hub says of a repository: what is in the way (empty: nothing), and its commit where it tells."""

    cause: Cause | None = None
    commit: str = ""


def ask_hub(repo: Repo) -> Access:
    """Ask for the headers of one file, which a gate guards as it guards the rest; answered within seconds.

    The libraries themselves try for half a minute before they say that there is no network.
    """
    url = hf_hub_url(repo.id, ASKED_FOR[repo.kind], repo_type=repo.kind, revision=repo.revision or None)
    told = attempt(lambda: get_hf_file_metadata(url, timeout=TIMEOUT_S))
    if isinstance(told, Fault):
        reached = isinstance(told.error, EntryNotFoundError)  # a data set without a README is there all the same
        return Access() if reached else Access(cause_of(told.error))
    return Access(commit=told.commit_hash or "")


def ways_without(repo: Repo) -> str:
    """How to do without asking the hub from here."""
    return f"copy it where there is network with `{repo.fetch}` and use it with {repo.use}"


def cause_of(error: BaseException) -> Cause:
    """Why the hub, or the library that asks it, gave nothing."""
    chain = list(_chain(error))
    if any(isinstance(link, GatedRepoError) for link in chain) or _says(chain, "gated repo", "gated dataset"):
        return "gated"
    if any(isinstance(link, RevisionNotFoundError) for link in chain):
        return "revision"
    if any(isinstance(link, RepositoryNotFoundError) for link in chain) or _says(chain, "doesn't exist on the hub"):
        return "missing"  # before the status: without a token the hub answers 401 for what does not exist
    if any(_status(link) in REFUSED for link in chain):
        return "gated"
    if any(isinstance(link, OfflineModeIsEnabled) for link in chain) or is_offline_mode():
        return "offline"
    if any(isinstance(link, (ConnectionError, TimeoutError, LocalEntryNotFoundError)) for link in chain):
        return "unreachable"
    return "unreachable" if _transport(chain) or _says(chain, "couldn't connect") else "other"


def remedy(repo: Repo, cause: Cause) -> str:
    """What to do, in exact steps; empty where the cause is nothing that the hub knows of."""
    copy = ways_without(repo)
    if cause == "gated":
        return f"{repo.id} is gated: {repo.access} and run this again; or (4) {copy}."
    if cause == "missing":
        return f"There is no {repo.page}, or it is private. Check the spelling, or give a token that may read it."
    if cause == "revision":
        return f"{repo.page} has no commit {repo.revision}. Take one from its history (Files, History)."
    first = f" It is gated, so first, where there is network: {repo.access}." if repo.id in GATED else ""
    if cause == "offline":
        way = "HF_HUB_OFFLINE is set and the cache does not hold it. Unset it and run once with network"
        return f"{way}, or {copy}.{first}"
    if cause == "unreachable":
        return f"The hub cannot be reached from here. Set HF_HUB_OFFLINE=1 to use the cache alone, or {copy}.{first}"
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _transport(chain: list[BaseException]) -> bool:
    """Whether a request failed on its way; told by name, since the hub's client changed its HTTP library twice."""
    return any(base.__name__ == "TransportError" for link in chain for base in type(link).__mro__)


def _says(chain: list[BaseException], *words: str) -> bool:
    """Some libraries drop the cause (``from None``) and leave only their own words."""
    return any(word in str(link).lower() for link in chain for word in words)
