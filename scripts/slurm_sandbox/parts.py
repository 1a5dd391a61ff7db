# SPDX-License-Identifier: Apache-2.0
"""The daemons of a slurm-sandbox, each in namespaces of its own: what it starts ends with it, what it mounts nobody
else sees. A part is found by its mark, a word on its command line, not by pid files."""
import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import time

from slurm_sandbox.folder import CGROUPS, Failure

PATIENCE_SECONDS = 20
NAMESPACES = "--pid --fork --kill-child=KILL --mount-proc --propagation slave --uts"


@dataclasses.dataclass
class Part:
    name: str
    script: str                # bash
    is_ready: list             # a command that succeeds when the part serves
    before: str = ""           # bash, before the namespaces are made
    namespaces: str = NAMESPACES


def all_parts(sandbox):
    """In the order in which they need each other."""
    accounting = [mysql(sandbox), dbd(sandbox)] if "accounting_storage/slurmdbd" in sandbox.configuration else []
    return [munge(sandbox), *accounting, ctld(sandbox), *(node(sandbox, name) for name in sandbox.nodes)]


def munge(sandbox):
    run, server = sandbox.run, f"{sandbox.run}/munge.sock"
    return Part("munge", f"""
        rm -f {server}*
        munged --foreground --force --key-file={sandbox.etc}/munge.key --socket={server} \\
          --seed-file={run}/munged.seed --pid-file={run}/munged.pid --log-file={sandbox.log}/munged.log""",
                is_ready=["munge", "--no-input", "--socket", server])


def mysql(sandbox):
    database, server = f"{sandbox.directory}/mysql", f"{sandbox.run}/mysql.sock"
    return Part("mysql", f"""
        [ -d {database} ] || mariadb-install-db --no-defaults --user=root --datadir={database} --skip-test-db \\
          --auth-root-authentication-method=normal --innodb-log-file-size=8M
        mariadbd --no-defaults --user=root --datadir={database} --socket={server} --pid-file={sandbox.run}/mysql.pid \\
          --skip-networking --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=0""",
                is_ready=["mariadb", "--no-defaults", f"--socket={server}", "--execute=select 1"])


def dbd(sandbox):
    return Part("dbd", f"MYSQL_UNIX_PORT={sandbox.run}/mysql.sock slurmdbd -D",
                is_ready=["sacctmgr", "--noheader", "show", "cluster"])


def ctld(sandbox):
    return Part("ctld", "slurmctld -D", is_ready=["bash", "-c", "scontrol ping | grep --quiet 'is UP'"])


def node(sandbox, name):
    """Looks like a machine of its own: host name, machine id, boot id (another one after a crash), shared memory, and
    GPUs that are none. A slurmd that ends is started again, unless it is held."""
    part = Part(name, f"""
        hostname {name}
        cat /proc/sys/kernel/random/uuid >{sandbox.run}/{name}.boot_id
        mount --bind {sandbox.run}/{name}.boot_id /proc/sys/kernel/random/boot_id
        [ ! -e /etc/machine-id ] || mount --bind {sandbox.etc}/machine-id-{name} /etc/machine-id
        mount -t tmpfs -o mode=1777 shm /dev/shm
        for gpu in {sandbox.directory}/gpus/*; do mount --bind /dev/null $gpu; done
        mkdir -p {sandbox.directory}/spool/{name}
        mkdir -p -m 1777 {sandbox.directory}/tmp/{name}
        while :; do
          [ -e {sandbox.hold_file(name)} ] || slurmd -D -N {name} || :
          sleep 0.3
        done""", is_ready=["bash", "-c", f"[ -e {sandbox.run}/slurmd-{name}.pid ] &&"
                           f" sinfo -h -n {name} -o %T | grep --quiet -vE '[*]$|unk|down|inval'"])
    return with_cgroups(sandbox, part) if sandbox.controllers else part


def with_cgroups(sandbox, part):
    """The part sees its own cgroups as the root of all, as in a container."""
    before, mounts = [], []
    for name in sandbox.controllers:
        own = CGROUPS / name / sandbox.cgroup_name / part.name
        before.append(f"mkdir -p {own} && echo $$ >{own}/cgroup.procs")
        mounts.append(f"umount {CGROUPS}/{name}; mount -t cgroup -o {name} {name} {CGROUPS}/{name}")
    return dataclasses.replace(part, namespaces=NAMESPACES + " --cgroup", before="\n".join(before),
                               script="\n".join([*mounts, part.script]))


def bring_up(sandbox, part):
    hold = sandbox.hold_file(part.name)
    is_there = bool(processes_of(sandbox, part.name))
    if hold.exists() or not is_there:
        for stale in sandbox.run / f"slurmd-{part.name}.pid", hold:
            stale.unlink(missing_ok=True)
    if not is_there:
        start(sandbox, part)
    # Also when it was there: a controller that was down has to hear from the nodes first.
    wait_until(lambda: sandbox.succeeds(*part.is_ready),
               f"{part.name} did not come up within {PATIENCE_SECONDS} s: {sandbox.log} says why")


def start(sandbox, part):
    script = f'{part.before}\nexec unshare {part.namespaces} bash -e -c "$1" "$0"'
    with open(sandbox.log / f"{part.name}.out", "ab") as output:
        subprocess.Popen(["bash", "-c", script, mark(sandbox, part.name), f"{sandbox.with_accounts}\n{part.script}"],
                         env=sandbox.environment, cwd="/", start_new_session=True, stdin=subprocess.DEVNULL,
                         stdout=output, stderr=output)


def crash(sandbox, name):
    """As a machine or a daemon does: without a word to anybody."""
    parts = [part.name for part in all_parts(sandbox)]
    host, _, daemon = name.partition(".")
    if host not in parts or daemon and (host not in sandbox.nodes or daemon != "slurmd"):
        raise Failure(f"{name} is no part of {sandbox.directory}: {', '.join(parts)}")
    if daemon:
        sandbox.hold_file(host).touch()
        kill_until_gone(lambda: slurmd_of(sandbox, host), name)
    else:
        kill_until_gone(lambda: processes_of(sandbox, host), name)


def end_all(sandbox):
    """Also when the folder is gone already."""
    kill_until_gone(lambda: processes_of(sandbox), sandbox.directory)
    for cgroup in CGROUPS.glob(f"*/{sandbox.cgroup_name}"):
        wait_until(lambda: is_removed(cgroup), f"{cgroup} cannot be removed")


def kill_until_gone(find_pids, what):
    """A killed unshare takes its init with it, and the kernel all that is in the init's namespace, wherever it went."""
    def none_left():
        pids = find_pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids
    wait_until(none_left, f"{what} does not die")


def is_removed(cgroup):
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):     # busy for a moment after its last process
            os.rmdir(folder)
    return not cgroup.exists()


def wait_until(condition, failure):
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise Failure(failure)
        time.sleep(0.05)


def mark(sandbox, part=""):
    return f"slurm-sandbox={sandbox.directory}={part}"


def processes_of(sandbox, part=""):
    """The unshare and the init of a part; of all parts when none is named."""
    def has_mark(process):
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return any(word.startswith(mark(sandbox)) if not part else word == mark(sandbox, part) for word in words)
    return find_processes(has_mark)


def slurmd_of(sandbox, name):
    """The processes of that name in the node's pid namespace."""
    namespaces = {os.readlink(f"/proc/{pid}/ns/pid") for pid in processes_of(sandbox, name)}
    namespaces.discard(os.readlink("/proc/self/ns/pid"))
    return find_processes(lambda process: (process / "comm").read_text() == "slurmd\n"
                          and os.readlink(process / "ns/pid") in namespaces)


def find_processes(matches):
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):     # gone meanwhile
            is_dead = (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
            if not is_dead and matches(process):
                found.append(int(process.name))
    return found
