# SPDX-License-Identifier: Apache-2.0
"""The folder of a slurm-sandbox: what is where, and the files that the first start writes."""
import contextlib
import os
import pathlib
import pwd
import random
import re
import secrets
import shutil
import socket
import subprocess

USER = "sandbox"
FIRST_USER_ID = 60100          # the sandbox's user gets the first number from here that is nobody's
CGROUPS = pathlib.Path("/sys/fs/cgroup")
FREEZER = CGROUPS / "freezer"

# Waiting is short: a dead node is noticed after 10 s, a killed job has 5 s, a requeued one waits 5 s (cred_expire).
SLURM_CONF = """\
ClusterName=sandbox
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/run/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool/%n
TmpFS={directory}/tmp/%n
SlurmctldPidFile={directory}/run/slurmctld.pid
SlurmdPidFile={directory}/run/slurmd-%n.pid
SlurmctldLogFile={directory}/log/slurmctld.log
SlurmdLogFile={directory}/log/slurmd-%n.log
PlugStackConfig={directory}/etc/plugstack.conf
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/{task}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
KillWait=5
SlurmdTimeout=10
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
EnforcePartLimits=ALL
DefMemPerCPU=100
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
GresTypes={gres_types}
PartitionName=main Nodes=ALL Default=YES DefaultTime=5 MaxTime=60 PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=ALL DefaultTime=5 MaxTime=60 PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
PartitionName=high Nodes=ALL DefaultTime=5 MaxTime=60 PriorityTier=20 PreemptMode=OFF
"""
NODE_CONF = "NodeName={node} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory={memory} Gres={gres}\n"
ACCOUNTING_CONF = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={directory}/run/munge.sock
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={directory}/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
LogFile={directory}/log/slurmdbd.log
PidFile={directory}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_accounting
"""
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace={memory}\n"


class Failure(Exception):
    """A mistake of the caller, or a part that does not come up."""


class Sandbox:
    def __init__(self, directory):
        self.directory = pathlib.Path(os.path.realpath(directory))
        self.etc, self.run, self.log = (self.directory / name for name in ("etc", "run", "log"))
        self.home, self.scratch = self.directory / "home", self.directory / "scratch"      # the user's own
        self.sign = self.directory / ".slurm-sandbox"      # written last: this folder is a sandbox, and complete
        # By its name `down` finds it even when the folder is gone.
        self.cgroup_name = "slurm-sandbox" + str(self.directory).replace("/", "-")
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            "LC_ALL": "C.UTF-8", "SLURM_CONF": f"{self.etc}/slurm.conf"}

    @property
    def is_complete(self):
        return self.sign.exists()

    @property
    def configuration(self):
        return (self.etc / "slurm.conf").read_text()

    @property
    def controllers(self):
        """Those of the machine's cgroups in which this Slurm makes some: slurmd does in that for memory, limits or not."""
        if "proctrack/cgroup" not in self.configuration and "task/cgroup" not in self.configuration:
            return []
        return [name for name in ("freezer", "memory") if (CGROUPS / name / "cgroup.procs").exists()]

    @property
    def nodes(self):
        return re.findall(r"^NodeName=(\S+)", self.configuration, re.MULTILINE)

    def hold_file(self, node):
        """While it is there, the node's slurmd stays down."""
        return self.run / f"{node}.hold"

    def succeeds(self, *command):
        return subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def as_user(self, *command):
        """The command as the sandbox's user, who exists only where its accounts are mounted."""
        number = (self.etc / "passwd").read_text().splitlines()[-1].split(":")[2]
        script = f'{self.with_accounts}; exec setpriv --reuid {number} --regid {number} --clear-groups -- "$@"'
        return ["unshare", "--mount", "--propagation", "slave", "bash", "-c", script, "slurm-sandbox", *command]

    @property
    def with_accounts(self):
        return " && ".join(f"mount --bind {self.etc}/{name} /etc/{name}" for name in ("passwd", "group")) + " || exit 1"


def create(sandbox, options):
    if any(sandbox.directory.iterdir()):
        raise Failure(f"{sandbox.directory} is not empty and no sandbox: name a new folder")
    try:
        for folder in ("etc", "run", "log", "state", "spool", "tmp", "gpus", "home", "scratch"):
            (sandbox.directory / folder).mkdir()
        sandbox.directory.chmod(0o755)
        write_accounts(sandbox)
        write_configuration(sandbox, options)
        if not sandbox.succeeds(*sandbox.as_user("test", "-r", sandbox.etc / "slurm.conf")):
            raise Failure(f"only root can reach {sandbox.directory}: name a folder below one that all can enter")
        sandbox.sign.touch()
    except BaseException:
        shutil.rmtree(sandbox.directory)
        raise


def write_accounts(sandbox):
    """The machine's accounts and one more; the sandbox's processes see these files in place of the machine's."""
    number = free_user_id()
    for name, line in (("passwd", f"{USER}:x:{number}:{number}::{sandbox.home}:/bin/bash"),
                       ("group", f"{USER}:x:{number}:")):
        (sandbox.etc / name).write_text(pathlib.Path("/etc", name).read_text().rstrip("\n") + f"\n{line}\n")
    for folder in (sandbox.home, sandbox.scratch):
        os.chown(folder, number, number)


def free_user_id():
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(number for number in range(FIRST_USER_ID, 65000) if number not in taken)


def write_configuration(sandbox, options):
    nodes = [f"n{number}" for number in range(1, options.nodes + 1)]
    port = free_ports(2 + len(nodes))
    facts = {"directory": sandbox.directory, "proctrack": options.proctrack,
             "task": "cgroup" if options.memory else "none", "memory": "yes" if options.memory else "no",
             "gres_types": ",".join(sorted({item.partition(":")[0] for item in options.gres.split(",")}))}
    slurm_conf = "".join(NODE_CONF.format(node=node, port=port + 2 + number, cpus=options.cpus, gres=options.gres,
                                          memory=options.node_memory)
                         for number, node in enumerate(nodes)) + SLURM_CONF.format(port=port, **facts)
    if options.accounting:
        slurm_conf += ACCOUNTING_CONF.format(port=port + 1, **facts)
        write(sandbox.etc / "slurmdbd.conf", SLURMDBD_CONF.format(port=port + 1, **facts), mode=0o600)
    write(sandbox.etc / "slurm.conf", slurm_conf + "".join(f"{line}\n" for line in options.conf))
    write(sandbox.etc / "gres.conf", "".join(declare(sandbox, item) for item in options.gres.split(",")))
    write(sandbox.etc / "cgroup.conf", CGROUP_CONF.format(**facts))
    write(sandbox.etc / "munge.key", secrets.token_hex(), mode=0o600)
    for node in nodes:
        write(sandbox.etc / f"machine-id-{node}", secrets.token_hex(16) + "\n")
    write(sandbox.etc / "plugstack.conf", "")


def declare(sandbox, item):
    """Of "gpu:v100:4", "nvme:3600": Slurm wants a file for each GPU, for others a count."""
    name, *kind, count = item.split(":")
    line = f"Name={name}" + "".join(f" Type={one}" for one in kind)
    if name != "gpu":
        return f"{line} Count={count}\n"
    files = sandbox.directory / "gpus" / "-".join(kind or [name])
    for number in range(int(count)):
        write(f"{files}{number}", "")
    return f"{line} File={files}[0-{int(count) - 1}]\n"


def write(file, text, mode=0o644):
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, mode)) as stream:
        stream.write(text)


def free_ports(count):
    """The first of `count` ports on which nobody listens, below those that the kernel gives to clients."""
    while True:
        first = random.randrange(12000, 30000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as sockets:
            for port in range(first, first + count):
                sockets.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
