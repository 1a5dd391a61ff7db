# SPDX-License-Identifier: Apache-2.0
"""A thousand blocks of one run: killed at any call, stopped in order, now and then with a disk that fails, or with a damaged
newest snapshot."""
import os
import re

import pytest

BLOCKS = 1000
KEPT = 2
FAILING = 30                              # of a thousand calls


def newest_block(campaign):
    names = os.listdir(campaign.run / "blocks") if campaign.run.exists() else []
    return max([int(match[1]) for match in (re.fullmatch(r"(\d+)\.json", name) for name in names) if match], default=0)


def damage_newest(campaign):
    """Flips a bit of the newest snapshot while nobody runs; what counts as durable is then the one before."""
    snapshots = campaign.snapshots()
    if len(snapshots) < 2:
        return
    path = campaign.run / "snapshots" / snapshots[-1][1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    campaign.durable = snapshots[-2][0][1]


@pytest.mark.timeout(1200)
def test_a_run_of_a_thousand_blocks_ends_with_the_right_bytes(campaign, rng, tool):
    campaign = campaign(words=1000, microseconds=50, save_every=40)
    acts = {"killed program": 0, "killed both": 0, "killed ckptrun": 0, "stopped": 0, "damaged": 0, "disk failed": 0}
    while newest_block(campaign) < BLOCKS:
        act = rng.choices(list(acts), [50, 15, 10, 12, 3, 10])[0]
        acts[act] += 1
        if act == "disk failed":
            campaign.program.fail(FAILING)
            campaign.aimed_kill("program", "any", rng.randint(40, 80))
            campaign.program.fail(0)
        elif act.startswith("killed"):
            campaign.aimed_kill(act.split()[1], "any", rng.randint(1, 40))
        else:
            campaign.stop()
            if act == "damaged":
                campaign.wait_for_the_last_program()
                damage_newest(campaign)
    campaign.complete()
    print(f"{newest_block(campaign)} blocks: " + ", ".join(f"{count} {act}" for act, count in acts.items()))
    print(f"{campaign.program.failed} calls failed")
    assert campaign.program.failed > BLOCKS / 10
    left = [name for name in os.listdir(campaign.run / "snapshots") if ".damaged-b" not in name]
    assert len(left) <= KEPT + 1, left
    for verb in ("done", "verify"):
        assert tool("ckpt", verb, campaign.run).returncode == 0, verb
