# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the program, of ckptrun and of both: aimed at every moment in the life of a snapshot, and at random with
much state. The run always goes on from a state at least as new as the newest durable one, the state is exact after each
restore, and the work ends with the right bytes."""
import time

from campaign import MOMENTS

AIMED_AT = MOMENTS[2:-1]                  # in the program; each of them this often
KILLS_AT_EACH_MOMENT = 26
KILLS_OF_CKPTRUN = 32                     # at its Nth call
RANDOM_KILLS = 180
SMALL_WORDS = 100_000
LARGE_WORDS = 16_777_216 + 4096           # 64 MiB and a little


def verify(campaign, tool):
    result = tool("ckpt", "verify", campaign.run)
    assert result.returncode == 0, result.stdout + result.stderr


def test_kills_at_every_moment_of_a_snapshots_life_lose_nothing_durable(campaign, rng, tool):
    campaign = campaign(SMALL_WORDS, microseconds=100, save_every=40)
    plan = [(rng.choice(["program", "both"]), moment, rng.randint(1, 4)) for moment in AIMED_AT
            for _ in range(KILLS_AT_EACH_MOMENT)]
    plan += [("ckptrun", "any", rng.randint(1, 40)) for _ in range(KILLS_OF_CKPTRUN)]
    rng.shuffle(plan)
    for victim, moment, calls in plan:
        campaign.aimed_kill(victim, moment, calls)
    campaign.complete()
    total = campaign.report()
    assert all(total[moment] >= 10 for moment in AIMED_AT)
    assert sum(total.values()) == len(plan)
    verify(campaign, tool)


def test_kills_at_random_with_much_state_lose_nothing_durable(campaign, rng, tool):
    campaign = campaign(LARGE_WORDS, microseconds=100, save_every=5)
    while sum(campaign.kills.values()) < RANDOM_KILLS:
        if campaign.is_gone():
            campaign.start()
        time.sleep(rng.uniform(0.05, 1.0))
        campaign.random_kill(rng.choice(["program", "ckptrun", "both"]))
    campaign.complete()
    campaign.report()
    for victim in ("program", "ckptrun", "both"):
        assert sum(kills for (who, _), kills in campaign.kills.items() if who == victim) >= 10
    verify(campaign, tool)
