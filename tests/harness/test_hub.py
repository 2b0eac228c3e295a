"""Why the hub gave nothing is found behind any number of wrappers; no network is asked."""

from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from harness.hub import Repo, cause_of, remedy

SET = Repo("dataset", "org/set", "c0ffee")


class TransportError(Exception):
    """Stands for that of the HTTP library, which is none of Python's own."""


def answered(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    response: Any = SimpleNamespace(status_code=status, headers={}, request=None)
    return kind("no", response=response)


def wrapped(error: Exception) -> Exception:
    """As the libraries do it: an error raised from another, whose own words say nothing."""
    try:
        raise OSError("could not load") from error
    except OSError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (answered(GatedRepoError, 403), "gated"),
        (answered(HfHubHTTPError, 401), "gated"),
        (answered(RepositoryNotFoundError, 401), "missing"),
        (answered(RevisionNotFoundError, 404), "revision"),
        (OfflineModeIsEnabled("offline"), "offline"),
        (LocalEntryNotFoundError("not in the cache"), "unreachable"),
        (ConnectionError("no route"), "unreachable"),
        (TransportError("Name or service not known"), "unreachable"),
        (ValueError("investigated"), "other"),
    ],
)
def test_the_cause_is_found_behind_a_wrapper(error: Exception, cause: str) -> None:
    assert cause_of(wrapped(error)) == cause


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("Dataset 'org/set' is a gated dataset on the Hub.", "gated"),
        ("Dataset 'org/set' doesn't exist on the Hub or cannot be accessed.", "missing"),
        ("We couldn't connect to 'https://hub.invalid' to load the files", "unreachable"),
    ],
)
def test_the_cause_is_read_from_words_where_a_library_drops_it(words: str, cause: str) -> None:
    assert cause_of(OSError(words)) == cause


def test_a_gated_data_set_comes_with_every_step_to_get_at_it() -> None:
    steps = remedy(SET, "gated")
    assert all(
        step in steps
        for step in (
            "https://huggingface.co/datasets/org/set",
            "settings/tokens",
            "`hf auth login`",
            "HF_TOKEN",
            "`hf download org/set --repo-type dataset --revision c0ffee --local-dir ROOT/org/set`",
            "--data-root ROOT",
        )
    )


@pytest.mark.parametrize("cause", ["missing", "revision", "offline", "unreachable"])
def test_every_other_cause_says_what_to_do(cause: str) -> None:
    assert "org/set" in remedy(SET, cause)  # type: ignore[arg-type]


@pytest.mark.parametrize("cause", ["offline", "unreachable"])
@pytest.mark.parametrize(
    "kind_and_id", [("dataset", "cais/wmdp-bio-forget-corpus"), ("model", "mistralai/Mistral-7B-v0.1")]
)
def test_without_network_a_gated_repository_still_comes_with_the_steps_to_get_at_it(
    cause: Any, kind_and_id: tuple[Any, str]
) -> None:
    steps = remedy(Repo(*kind_and_id), cause)
    assert all(step in steps for step in ("ask for or accept access", "settings/tokens", "HF_TOKEN"))


def test_without_network_nobody_is_sent_for_access_to_what_is_open() -> None:
    assert "HF_TOKEN" not in remedy(SET, "offline")


def test_a_tokenizer_is_copied_without_weights_and_used_with_the_model_that_needs_it() -> None:
    said = remedy(Repo("model", "org/lm", "c0ffee", tokenizer_only=True), "offline")
    assert "tokenizer.model tokenizer_config.json --repo-type model --revision c0ffee --local-dir ROOT/org/lm" in said
    assert "--model ROOT/ORG/NAME" in said
    assert "--model ROOT/org/lm" not in said


def test_a_copied_model_is_used_as_a_folder() -> None:
    assert "--model ROOT/org/lm" in remedy(Repo("model", "org/lm"), "unreachable")
