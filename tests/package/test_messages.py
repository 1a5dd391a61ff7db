# SPDX-License-Identifier: Apache-2.0
"""docs/messages.md explains every message, and no other; messages.py says what counts as one."""
import pytest

import messages


@pytest.fixture(scope="module")
def document(repository):
    return (repository / "docs/messages.md").read_text()


def test_every_message_is_explained(repository, document):
    assert sorted(messages.in_sources(repository) - set(messages.in_document(document))) == []


def test_no_message_is_explained_that_nobody_says(repository, document):
    assert sorted(set(messages.in_document(document)) - messages.in_sources(repository)) == []


def test_none_is_explained_twice(document):
    found = messages.in_document(document)
    assert sorted(text for text in set(found) if found.count(text) > 1) == []


def test_every_list_of_messages_is_followed_by_its_explanation(document):
    paragraphs = [part for part in document.split("\n\n") if part.strip()]
    for part, after in zip(paragraphs, paragraphs[1:] + ["#"]):
        if part.strip().startswith("- `"):
            assert not after.strip().startswith(("#", "- ")), f"nothing explains {part}"


@pytest.mark.parametrize("source, found", [
    ('fail(status, "no run \'{}\'; {}", name, why);', {"no run '…'; …"}),
    ('log_warning("a {} b "\n            "c {:.3g}", 1, 2);  // "no"', {"a … b c …"}),
    ('throw Error(status, 0, fmt::format("cannot write \'{}\'", path));', {"cannot write '…'"}),
    ('// fail("not this")', set()),
])
def test_messages_of_cpp_are_found(source, found):
    assert {text for text in messages.of_cpp(source) if text} == found


@pytest.mark.parametrize("source, found", [
    ('raise Error(f"\'{name}\' is not " "there")', {"'…' is not there"}),
    ('warn(f"{n} lines were " + rest)', {"… lines were …"}),
    ('raise failure', set()),
])
def test_messages_of_python_are_found(source, found):
    assert messages.of_python(source) == found


def test_every_sentence_of_a_source_file_counts_but_for_what_is_only_debugged():
    source = 'return fmt::format("array {} is left as it is", id);\nlog_debug("step {} is durable now", step);\n'
    assert messages.reasons_of_cpp(source) == {"array … is left as it is"}


def test_what_is_left_out_is_there(repository):
    paths = [path for paths in messages.NO_REASONS.values() for path in paths]
    assert [path for path in paths if not (repository / path).exists()] == []
