# SPDX-License-Identifier: Apache-2.0
import os
import random
import time

import pytest

from campaign import Campaign
from started_tools import eventually, nothing_left_running, start, tool, tool_json, work  # noqa: F401


@pytest.fixture
def rng():
    seed = int(os.environ.get("TEST_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed} (TEST_SEED={seed} repeats the choices)")
    return random.Random(seed)


@pytest.fixture
def campaign(tmp_path, bin_directory):
    """campaign(words, …): made once; everything it started is gone after the test."""
    started = []

    def make(words, **options):
        started.append(Campaign(tmp_path / "campaign", bin_directory, words, **options))
        return started[-1]
    yield make
    for one in started:
        one.end()
