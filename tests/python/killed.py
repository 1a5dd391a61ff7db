# SPDX-License-Identifier: Apache-2.0
"""Imported first by a program: in the first two blocks of a run it dies by SIGKILL, at random after its first snapshot; in
the first block surely, since the interpreter waits for the thread."""
import glob
import os
import random
import signal
import threading
import time


def kill_once_a_snapshot_is_there():
    mine = f"{os.environ['CKPT_RUN_DIR']}/snapshots/step-*-b{int(os.environ['CKPT_BLOCK']):04}.h5"
    while not glob.glob(mine):
        if os.environ["CKPT_BLOCK"] > "1" and not threading.main_thread().is_alive():
            return                  # nothing was left to do in this block
        time.sleep(0.01)
    time.sleep(random.SystemRandom().random() * 0.3)
    os.kill(os.getpid(), signal.SIGKILL)


if "1" <= os.environ.get("CKPT_BLOCK", "0") < "3":
    threading.Thread(target=kill_once_a_snapshot_is_there).start()
