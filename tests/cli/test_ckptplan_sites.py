# SPDX-License-Identifier: Apache-2.0
"""ckptplan and the presets of sites: the script each site gets, whose word outranks whose, and files of the user's own."""
import json
import os
import re

import pytest

TRAINING = ["--epochs", "300", "--epoch-time", "14m", "--", "python", "train.py"]
# What is asked for -> the recorded script.
RECORDED = {
    "beluga": ["--site", "beluga", "--account", "def-alice", "--gpus", "1"],
    "cedar": ["--site", "cedar", "--account", "def-alice", "--gpus", "p100:2"],
    "graham": ["--site", "graham", "--account", "def-alice", "--gpus", "1", "--limit", "7d"],
    "narval": ["--site", "narval", "--account", "def-alice", "--gpus", "2"],
    "narval-cpu": ["--site", "narval", "--account", "def-alice", "--cpus", "8"],
    "puhti": ["--site", "puhti", "--account", "project_2001234", "--gpus", "1"],
    "puhti-cpu": ["--site", "puhti", "--account", "project_2001234", "--cpus", "4"],
    "mahti": ["--site", "mahti", "--account", "project_2001234", "--gpus", "2", "--disk", "950"],
    "mahti-4": ["--site", "mahti", "--account", "project_2001234", "--gpus", "4", "--limit", "36h"],
    "triton": ["--site", "triton", "--gpus", "h200:1", "--cpus", "4", "--mem", "32G"],
    "generic": ["--site", "generic", "--gpus", "1"],
}
LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"      # of the files here
NOTHING_LOADED = {"VIRTUAL_ENV": "", "LOADEDMODULES": "", "CONDA_PREFIX": "", "USER": "alice"}


@pytest.fixture
def home(tmp_path):
    """Of alice, whose scratch is elsewhere."""
    (tmp_path / "scratch-of-alice").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home/scratch").symlink_to(tmp_path / "scratch-of-alice")
    return tmp_path / "home"


@pytest.fixture
def work(home, monkeypatch):
    """Her project, where she stands."""
    (home / "fashion").mkdir()
    (home / "fashion/train.py").touch()
    monkeypatch.chdir(home / "fashion")
    return home / "fashion"


@pytest.fixture
def plan(tool, home, fake_slurm):
    """Answers the CompletedProcess; no Slurm answers, unless a test steers it."""
    def run(*arguments, code=0, **environment):
        folders = os.environ["PATH"].split(os.pathsep)
        path = os.pathsep.join(folder for folder in folders if not os.path.exists(f"{folder}/ckptrun"))   # of another installation
        result = tool("ckptplan", *arguments, **{**NOTHING_LOADED, "HOME": str(home), "XDG_CONFIG_HOME": "", "PATH": path,
                                                 **environment})
        assert result.returncode == code, result.stderr
        return result
    return run


@pytest.fixture
def live(fake_slurm, repository):
    """live("puhti", main="gpu"): a cluster of that name, whose partitions main, low and high (of an hour) have others."""
    def steer(cluster, **names):
        def text(recorded):
            lines = (repository / f"tests/unit/slurm/recorded/{recorded}.txt").read_text().splitlines()[1:-1]
            return re.sub(r"\b(main|low|high)\b", lambda found: names.get(found[0], found[0]), "\n".join(lines) + "\n")
        fake_slurm["scontrol-ping.out"] = text("scontrol-ping")
        fake_slurm["scontrol-show-config.out"] = re.sub(r"(?m)^(ClusterName\s*= ).*", rf"\g<1>{cluster}",
                                                        text("scontrol-show-config"))
        fake_slurm["scontrol-show-partition.out"] = text("scontrol-show-partition-o")
        fake_slurm["sinfo.out"] = text("sinfo-h-o")
        fake_slurm["sbatch.out"] = "4711\n"
        return fake_slurm
    return steer


def script_of(result):
    return result.stdout.split("this script is sent:\n\n")[1]


def options_of(result):
    return re.findall(r"(?m)^#SBATCH (.*)$", script_of(result))


def as_at_alices(text, home, bin_directory):
    for here, there in ((home.parent / "scratch-of-alice", "/scratch/alice"), (home, "/home/alice"),
                        (bin_directory, "/opt/libckpt/bin")):
        text = text.replace(str(here), there)
    return text


# ---- the scripts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_a_site_gets_the_script_that_is_recorded_for_it(plan, home, work, repository, bin_directory, name):
    shown = plan(*RECORDED[name], *TRAINING)
    recorded = (repository / f"tests/cli/sites/{name}.sh").read_text().replace(LICENCE, "")
    assert as_at_alices(script_of(shown), home, bin_directory) == recorded


def test_every_preset_tells_its_sources_and_none_is_without_a_recorded_script(repository):
    presets = {file.stem: json.loads(file.read_text()) for file in (repository / "supervisor/plan/sites").glob("*.json")}
    assert presets.keys() == {name.partition("-")[0] for name in RECORDED}
    for preset in presets.values():
        assert preset["sources"] and all(re.fullmatch(r"\d{4}-\d\d-\d\d", one["date"]) for one in preset["sources"])


def test_all_presets_are_listed(plan, home):
    rows = plan("--site", "list").stdout.splitlines()
    assert [row.split()[0] for row in rows[1:9]] == ["beluga", "cedar", "generic", "graham", "mahti", "narval", "puhti",
                                                     "triton"]
    assert "--gres=gpu:{gpus},nvme:{disk_gb} --partition=gpu" in rows[7] and "jobs that are sent wait for ever" in rows[7]
    listed = json.loads(plan("--site", "list", "--json").stdout)
    assert listed[6] | {"note": ""} == {"name": "puhti", "title": "CSC Puhti", "clusters": ["puhti"], "date": "2026-08-05",
                                        "note": "", "file": ""}


def test_a_preset_that_is_not_there_is_refused_with_those_that_are(plan):
    error = plan("--site", "puthi", *TRAINING, code=125).stderr
    assert "no preset 'puthi' (there are beluga, cedar, generic," in error and ".config/libckpt/sites" in error


def test_a_site_whose_computing_has_ended_is_told_of(plan):
    shown = plan("--site", "puhti", "--account", "project_1", "--gpus", "1", *TRAINING)
    assert "CSC Puhti: its computing ended on 2026-07-31: jobs that are sent wait for ever" in shown.stderr


# ---- whose word counts --------------------------------------------------------------------------------------------------


def test_what_the_user_says_outranks_the_preset(plan):
    asked = ["--partition", "gputest", "--cpus", "4", "--mem", "8G", "--job-option=--gres=nvme:500,lscratch:1"]
    options = options_of(plan("--site", "puhti", "--gpus", "a100:2", *asked, *TRAINING, SBATCH_ACCOUNT="project_7"))
    assert options[:5] == ["--account=project_7", "--partition=gputest", "--gres=gpu:a100:2,nvme:500,lscratch:1",
                           "--cpus-per-task=4", "--mem=8G"]


def test_gpus_that_are_asked_for_in_the_users_own_way_get_their_shares_of_a_node(plan):
    options = options_of(plan("--site", "narval", "--job-option=--gpus-per-node=a100:2", *TRAINING))
    assert options[:3] == ["--cpus-per-task=24", "--mem=254000M", "--gpus-per-node=a100:2"]
    options = options_of(plan("--site", "narval", "--gpus", "1", *TRAINING, SBATCH_MEM_PER_GPU="16G"))
    assert options[:3] == ["--gres=gpu:1", "--cpus-per-task=12", "--mem-per-gpu=16G"]


def test_a_part_of_a_gpu_gets_no_share_of_a_whole_one(plan):
    result = plan("--site", "narval", "--account", "def-alice", "--gpus", "a100_1g.5gb:1", *TRAINING)
    options = options_of(result)
    assert not [option for option in options if option.startswith(("--cpus", "--mem"))]
    assert "a100_1g.5gb:1 is a part of one: say --cpus and --mem" in result.stderr


def test_more_gpus_than_a_node_has_are_refused(plan):
    error = plan("--site", "puhti", "--account", "project_1", "--gpus", "5", *TRAINING, code=125).stderr
    assert "the preset of puhti knows no job with 5 GPUs" in error


def test_a_site_that_bills_an_account_needs_one(plan):
    error = plan("--site", "mahti", "--gpus", "1", *TRAINING, code=125).stderr
    assert "mahti bills each job to an account: name yours, as --account project_NUMBER" in error
    plan("--site", "mahti", "--epochs", "300", "--epoch-time", "14m")      # a plan is for nobody in particular


def test_a_disk_is_asked_for_only_where_the_preset_knows_how(plan):
    assert "--disk: the preset of narval does not say how" in plan("--site", "narval", "--gpus", "1", "--disk", "100",
                                                                   *TRAINING, code=125).stderr
    assert "--disk: no preset of this site" in plan("--disk", "100", *TRAINING, code=125).stderr


def test_a_limit_beyond_the_presets_is_warned_about_where_no_slurm_answers(plan):
    shown = plan("--site", "mahti", "--account", "project_1", "--gpus", "1", "--limit", "48h", *TRAINING)
    assert "a block of 2 d 0 h is longer than the preset of mahti allows (36 h 00 min)" in shown.stderr


def test_a_site_is_found_by_the_name_of_its_cluster(plan, live):
    live("Triton")
    script = script_of(plan("--gpus", "1", "--cpus", "2", "--limit", "1h", *TRAINING))
    assert "# Site: Aalto Triton, as of 2026-08-20.\n" in script
    assert "# Site: Any Slurm" in script_of(plan("--site", "generic", "--gpus", "1", "--limit", "1h", *TRAINING))


def test_where_the_site_picks_the_partition_the_longest_one_counts(plan, live):
    live("triton")
    shown = plan("--gpus", "1", "--cpus", "2", *TRAINING)
    assert "out of date: partition main allows 1 h 00 min, not 5 d 0 h; what Slurm says counts" in shown.stderr
    assert "--time=0-01:00:00" in options_of(shown) and not [o for o in options_of(shown) if "--partition" in o]
    error = plan("--gpus", "1", "--limit", "2h", *TRAINING, code=125).stderr
    assert "a block of 2 h 00 min is longer than any partition here allows (at most 1 h 00 min)" in error


def test_a_partition_that_is_gone_is_warned_about_and_not_asked_for(plan, live):
    live("puhti")
    shown = plan("--account", "project_1", "--gpus", "1", "--cpus", "4", "--mem", "8G", *TRAINING)
    [line] = [line for line in shown.stderr.splitlines() if "out of date" in line]
    assert "the preset of puhti (2026-08-05) is out of date: there is no partition gpu here" in line
    assert not [option for option in options_of(shown) if "--partition" in option]


def test_another_limit_than_the_presets_is_warned_about_and_counts(plan, live):
    live("puhti", low="gpu")
    shown = plan("--account", "project_1", "--gpus", "1", "--cpus", "4", "--mem", "8G", *TRAINING)
    [line] = [line for line in shown.stderr.splitlines() if "out of date" in line]
    assert "partition gpu allows 1 h 00 min, not 3 d 0 h; what Slurm says counts" in line
    assert "--partition=gpu" in options_of(shown) and "--time=0-01:00:00" in options_of(shown)


def test_a_script_of_the_users_speaks_for_itself(plan, work):
    (work / "job.sh").write_text("#!/bin/bash\n#SBATCH --account=project_1 --gres=gpu:v100:1\nexec ckptrun -- ./train\n")
    shown = plan("--site", "puhti", "--blocks", "3", "job.sh")
    [line] = [line for line in shown.stdout.splitlines() if line.startswith("sbatch ")]
    assert not re.search("--(partition|account|gres|cpus-per-task|mem)", line)
    [line] = [line for line in plan("--site", "puhti", "--gpus", "2", "--blocks", "3", "job.sh").stdout.splitlines()
              if line.startswith("sbatch ")]
    assert " --gres=gpu:v100:2,nvme:100 " in line


# ---- runs on scratch ----------------------------------------------------------------------------------------------------


def test_runs_are_on_scratch_and_found_beside_the_code(plan, tool, live, home, work):
    live("narval")
    asked = ["--gpus", "1", "--cpus", "1", "--mem", "1G", "--limit", "1h", "--submit", "-r", "fashion", "--", "true"]
    sent = plan(*asked)
    real = home.parent / f"scratch-of-alice/ckpt-runs{work}/fashion"
    assert (work / "ckpt-runs").readlink() == real.parent and (work / "ckpt-runs/fashion/jobs").is_dir()
    assert f"./ckpt-runs is a link to {real.parent}, on scratch" in sent.stderr
    assert f"-r {real} -- true" in (real / "jobs/0001-fashion.sh").read_text()
    assert tool("ckptrun", "-r", "fashion", "--here", "--", "true", HOME=str(home)).returncode == 0
    assert "your home directory" not in tool("ckptrun", "-r", "other", "--here", "--", "true", HOME=str(home)).stderr
    assert (real / "snapshots").is_dir() and tool("ckpt", "done", "fashion").returncode == 0
    assert tool("ckpt", "done", real).returncode == 0
    assert "is complete" in plan(*asked, code=125).stderr


def test_a_refused_submission_leaves_neither_link_nor_folder(plan, live, home, work):
    slurm = live("narval")
    slurm["sbatch.code"], slurm["sbatch.err"] = "1", "sbatch: error: no\n"
    plan("--gpus", "1", "--cpus", "1", "--mem", "1G", "--limit", "1h", "--submit", "-r", "a", "--", "true", code=125)
    assert sorted(path.name for path in work.iterdir()) == ["train.py"]
    assert not list((home.parent / "scratch-of-alice").iterdir())


def test_a_folder_of_runs_that_is_there_stays_where_it_is(plan, work):
    (work / "ckpt-runs").mkdir()
    assert f"-r {work}/ckpt-runs/train --" in script_of(plan("--site", "narval", "--gpus", "1", *TRAINING))


def test_runs_of_a_project_on_scratch_stay_beside_it(plan, home, work):
    own(home, scratch="{HOME}", runs="{HOME}/elsewhere")
    assert f"-r {work}/ckpt-runs/train --" in script_of(plan("--site", "ours", "--account", "grp-a", "--gpus", "1", *TRAINING))


def test_a_scratch_that_is_not_there_is_warned_about(plan, work):
    shown = plan("--site", "puhti", "--account", "project_1", "--gpus", "1", *TRAINING)
    assert "puts runs on scratch, /scratch/project_1, which is not there: this one stays in ./ckpt-runs" in shown.stderr
    assert f"-r {work}/ckpt-runs/train --" in script_of(shown)


def test_a_path_of_the_users_is_nobodys_to_move(plan, work):
    assert f"-r {work}/mine --" in script_of(plan("--site", "narval", "--gpus", "1", "-r", "./mine", *TRAINING))


# ---- files of the user's own --------------------------------------------------------------------------------------------

OWN = {"title": "Ours", "clusters": ["ours"], "date": "2026-11-01", "node_disk": "FAST", "scratch": "{HOME}/scratch",
       "runs": "{HOME}/scratch/{account}", "account": {"form": "grp-NAME", "required": True},
       "offers": [{"most_gpus": 4, "gpus": "--gpus-per-node={gpus}", "gpu_type": "h100", "partition": "ml", "limit": "2d",
                   "cpus_per_gpu": 16, "memory_per_gpu": "120G"}]}


def own(home, name="ours", **fields):
    folder = home / ".config/libckpt/sites"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({**OWN, **fields}))
    return folder / f"{name}.json"


def test_a_file_of_the_users_is_a_site_and_outranks_ours(plan, home, work):
    own(home)
    asked = ["--account", "grp-a", "--gpus", "2", *TRAINING]
    shown = plan("--site", "ours", *asked)
    assert options_of(shown)[:5] == ["--account=grp-a", "--partition=ml", "--gpus-per-node=h100:2", "--cpus-per-task=32",
                                     "--mem=240G"]
    assert '\nexport TMPDIR="${FAST:-${TMPDIR:-/tmp}}"\n' in script_of(shown)
    assert f"-r {home.parent}/scratch-of-alice/grp-a{work}/train --" in script_of(shown)
    own(home, "puhti")
    assert options_of(plan("--site", "puhti", *asked)) == options_of(shown)
    assert options_of(plan("--site", "ours", *asked, XDG_CONFIG_HOME=str(home / ".config"))) == options_of(shown)


@pytest.mark.parametrize("fields, words", [
    ({"titel": "Ours"}, "titel is not known"),
    ({"title": ""}, "title must be a text in quotes"),
    ({"title": None}, "title must be a text in quotes"),
    ({"clusters": "ours"}, "clusters must be a list"),
    ({"clusters": [1]}, "clusters must be a list of names"),
    ({"offers": []}, "offers is missing"),
    ({"offers": ["a"]}, "offers[0] must be an object"),
    ({"offers": [{}]}, "offers[0].most_gpus is missing"),
    ({"offers": [{"most_gpus": -1}]}, "offers[0].most_gpus must be a whole number"),
    ({"offers": [{"most_gpus": 1}]}, "offers[0].gpus is missing"),
    ({"offers": [{"most_gpus": 1, "gpus": "--gres=gpu"}]}, "offers[0].gpus must be an option of a job with {gpus}"),
    ({"offers": [{"most_gpus": 1, "gpus": "--gres=gpu:{gpus},nvme:{disk_gb}"}]}, "offers[0].disk_gb is missing"),
    ({"offers": [{"most_gpus": 0, "limit": "soon"}]}, "offers[0].limit must be a time"),
    ({"offers": [{"most_gpus": 0, "memory_per_cpu": "much"}]}, "offers[0].memory_per_cpu must be a size"),
    ({"offers": [{"most_gpus": 0, "partition": "a\nb"}]}, "offers[0].partition must not hold"),
    ({"account": {"requierd": True}}, "account.requierd is not known"),
    ({"account": {"required": "yes"}}, "account.required must be true or false"),
    ({"sources": [{"url": "here"}]}, "sources[0].date is missing"),
    ({"scratch": "", "runs": "/x"}, "scratch must be a text"),
    ({"date": "yesterday"}, "date must be a date as"),
    ({"node_disk": "$FAST"}, "node_disk must be the name of a variable, without $"),
])
def test_a_file_that_is_wrong_is_refused_by_file_and_field(plan, home, work, fields, words):
    file = own(home, **fields)
    [line] = plan("--site", "ours", *TRAINING, code=125).stderr.splitlines()
    assert line.startswith(f"ckptplan: error: the site preset {file}: {words}")


def test_a_file_that_is_no_json_is_refused(plan, home, work):
    file = own(home)
    file.write_text("{")
    assert f"the site preset {file} is no JSON" in plan("--site", "narval", *TRAINING, code=125).stderr
