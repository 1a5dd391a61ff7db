# SPDX-License-Identifier: Apache-2.0
"""Each rule of scripts/check-layers is shown a small house that breaks it, and one that does not."""
import subprocess

import pytest

LICENCE = "SPDX-License-Identifier: Apache-2.0"


@pytest.fixture
def check(repository, tmp_path):
    """check({path: content}): exit code and output for a tree of these files."""
    def run(files, licence=True):
        for path, content in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            mark = "#" if file.suffix in (".txt", ".py") else "//"
            file.write_text((f"{mark} {LICENCE}\n" if licence else "") + content)
        result = subprocess.run([repository / "scripts/check-layers", tmp_path], capture_output=True, text=True)
        return result.returncode, result.stdout
    return run


def test_this_house_is_in_order(repository):
    result = subprocess.run([repository / "scripts/check-layers"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


BAD = {
    "a room includes the one above": (
        "libckpt/io/posix.cpp", '#include "base/log.hpp"\n#include "rundir/layout.hpp"\n', 3, "rundir stands above io"),
    "a room includes the supervisor": (
        "libckpt/engine/run.cpp", '#include "block/outcome.hpp"\n', 2, "knows nothing of the supervisor"),
    "a room nobody placed": ("libckpt/attic/box.cpp", "int box;\n", 1, "not in the order"),
    "a public header includes a private one": (
        "libckpt/include/ckpt/ckpt.hpp", '#include "base/error.hpp"\n', 2, "nothing of ours but public"),
    "a room links the one above": (
        "libckpt/io/CMakeLists.txt", "ckpt_room(io SOURCES posix.cpp LINK ckpt_base\n ckpt_engine)\n", 3,
        "links ckpt_engine, which stands above io"),
    "the supervisor includes the engine": (
        "supervisor/block/child.cpp", '#include "engine/policy.hpp"\n#include "engine/run.hpp"\n', 3, "engine/policy"),
    "the supervisor includes the codec": ("supervisor/ckpt.cpp", '#include "codec/frame.hpp"\n', 2, "engine/policy"),
    "a block knows the chain": (
        "supervisor/block/child.cpp", '#include "chain/step.hpp"\n', 2, "chain stands above block"),
    "the chain knows Slurm": (
        "supervisor/chain/step.cpp", '#include "slurm/queue.hpp"\n', 2, "slurm stands above chain"),
    "a room of the supervisor nobody placed": (
        "supervisor/attic/box.cpp", "int box;\n", 1, "not in the supervisor's order"),
    "an example looks inside": ("examples/c/ten_lines.c", '#include "base/error.hpp"\n', 2, "only <ckpt/ckpt.h>"),
    "a binding looks inside": (
        "bindings/python/module.c", '#include <libckpt/io/publish.hpp>\n', 2, "only <ckpt/ckpt.h>"),
    "hdf5 outside its room": ("libckpt/rundir/catalog.cpp", "#include <hdf5.h>\n", 2, "belongs to libckpt/snapshot/"),
    "hdf5's file drivers outside its room": (
        "supervisor/ckpt.cpp", "#include <H5FDdevelop.h>\n", 2, "libckpt/snapshot/"),
    "zstd outside its room": ("libckpt/snapshot/writer.cpp", "#include <zstd.h>\n", 2, "belongs to libckpt/codec/"),
    "boost outside its room": (
        "libckpt/io/posix.cpp", "#include <boost/interprocess/mapped_region.hpp>\n", 2, "belongs to libckpt/staging/"),
    "cuda outside its room": ("libckpt/engine/state.cpp", "#include <cuda.h>\n", 2, "belongs to libckpt/device/"),
    "the environment read elsewhere": (
        "libckpt/engine/run.cpp", 'auto a = 1;\nauto b = std::getenv("HOME");\n', 3, "libckpt/base/environment"),
    "the environment walked elsewhere": (
        "libckpt/io/posix.cpp", "extern char** environ;\n", 2, "libckpt/base/environment"),
    "a launcher's variable named elsewhere": (
        "libckpt/rundir/blocks.cpp", 'auto id = variable("SLURM_JOB_ID");\n', 2, "libckpt/base/environment"),
    "a Slurm command elsewhere": ("supervisor/chain/step.cpp", 'run("squeue -h");\n', 2, "supervisor/slurm"),
    "a Slurm command in the library": ("libckpt/rundir/blocks.cpp", 'run("scontrol");\n', 2, "supervisor/slurm"),
    "a long public header": ("libckpt/include/ckpt/ckpt.h", "\n" * 400, 401, "401 lines"),
    "somebody's own folder": ("docs/notes.md", "see /" "root/notes\n", 2, "a path of one machine"),
}


@pytest.mark.parametrize("path, content, line, message", BAD.values(), ids=BAD.keys())
def test_a_violation_is_named_with_file_and_line(check, path, content, line, message):
    code, output = check({path: content})
    assert code == 1
    assert output.startswith(f"{path}:{line}: ") and message in output
    assert output.count("\n") == 1, "one violation, one line"


@pytest.mark.parametrize(
    "path", ["libckpt/io/posix.cpp", "cmake/build.cmake", "libckpt/io/CMakeLists.txt", "scripts/x.py"])
def test_a_source_without_its_licence_line_is_a_violation(check, path):
    code, output = check({path: "\n"}, licence=False)
    assert (code, output.split(": ")[1].split(" ")[0:2]) == (1, ["no", "SPDX-License-Identifier"])


def test_a_golden_file_needs_no_licence_line(check):
    assert check({"tests/unit/slurm/golden/chain.sh": "#!/bin/sh\n"}, licence=False)[0] == 0


def test_a_script_without_suffix_needs_its_licence_line(check):
    assert check({"scripts/test": "#!/bin/sh\n"}, licence=False)[0] == 1


GOOD = {
    "a comment names what code may not": (
        "libckpt/io/posix.cpp", '// squeue, getenv\n/* #include "api/door.hpp"\n #include <hdf5.h> */\nint x;\n'),
    "a text that looks like a comment hides nothing": (
        "libckpt/io/posix.cpp", 'auto url = "http://x"; char c = \'"\';\n'),
    "arrows that go down": ("libckpt/api/open.cpp", '#include "engine/run.hpp"\n#include "include/ckpt/ckpt.h"\n'),
    "a room's own headers": ("libckpt/io/posix.cpp", '#include "io/file_system.hpp"\n#include "posix_file.hpp"\n'),
    "each library in its own room": ("libckpt/snapshot/reader.cpp", "#include <hdf5.h>\n"),
    "the environment's own room": ("libckpt/base/environment.cpp", 'auto a = std::getenv("SLURM_JOB_ID");\n'),
    "the supervisor makes a child's environment": ("supervisor/block/child.cpp", 'setenv("CKPT_RUN", "x", 1);\n'),
    "the supervisor's arrows go down": (
        "supervisor/ckptrun.cpp", '#include "chain/step.hpp"\n#include "block/child.hpp"\n#include "slurm/job.hpp"\n'),
    "Slurm's own room": ("supervisor/slurm/squeue.cpp", '#include "chain/scheduler.hpp"\nauto c = "squeue -h";\n'),
    "a header of exactly the length": ("libckpt/include/ckpt/ckpt.h", "\n" * 399),
    "an example with what is public": ("examples/c/ten_lines.c", "#include <ckpt/ckpt.h>\n#include <stdlib.h>\n"),
}


@pytest.mark.parametrize("path, content", GOOD.values(), ids=GOOD.keys())
def test_what_is_allowed_is_not_reported(check, path, content):
    assert check({path: content}) == (0, "check-layers: the house is in order\n")


def test_a_statement_after_a_text_with_slashes_is_still_read(check):
    assert check({"libckpt/io/posix.cpp": 'auto a = "//"; auto b = getenv("X");\n'})[0] == 1
