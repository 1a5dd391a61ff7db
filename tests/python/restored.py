# SPDX-License-Identifier: Apache-2.0
"""What a snapshot brings back."""


def save_and_restore(open_run, before, after, train=lambda: None, **options):
    """Saves `before`, once train() has changed it, and restores into `after`; both are dicts of what Run is given. Returns the second run."""
    first = open_run(**before, **options)
    train()
    first.point()
    first._session.save(first.step)
    first.close()
    return open_run(**after, **options)
