# SPDX-License-Identifier: Apache-2.0
"""What is installed carries its libraries inside, and lives in one process with others of the same names."""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import elf
import pytest

HERE = pathlib.Path(__file__).parent / "neighbour"
LIBRARIES = pathlib.Path(subprocess.run(["cc", "-print-file-name=libc.so.6"], check=True, capture_output=True,
                                        text=True).stdout.strip()).resolve().parent
INSTALLED = ["lib/libckpt.so", "bin/ckptrun", "bin/ckptplan", "bin/ckpt"]
OF_LIBC = r"lib[cm]\.so\.6|ld-linux.*"
STATIC_HDF5 = "-Wl,--whole-archive -l:libhdf5.a -Wl,--no-whole-archive -lcrypto -lcurl -lsz -lz -ldl -lm"
SERIAL = "-I/usr/include/hdf5/serial -L{0}/hdf5/serial".format(LIBRARIES)


def answer(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


@pytest.mark.parametrize("file", INSTALLED)
def test_nothing_but_the_c_library_is_needed(prefix, file):
    needed = elf.needed(prefix / file)
    assert "libc.so.6" in needed
    assert [name for name in needed if not re.fullmatch(OF_LIBC, name)] == []


@pytest.mark.parametrize("file", INSTALLED)
def test_no_folder_of_the_machine_that_built_it_is_named_inside(prefix, repository, file):
    content = (prefix / file).read_bytes()
    folders = [str(repository), str(pathlib.Path.home()), os.environ.get("CKPT_CACHE") or str(repository)]
    assert [folder for folder in folders if f"{folder}/".encode() in content] == []


def test_the_library_looks_for_nothing_of_the_libraries_inside_it(prefix):
    undefined = answer("nm", "-D", "--undefined-only", prefix / "lib/libckpt.so").split()
    assert [name for name in undefined if re.match(r"H5|ZSTD|XXH|_ZN3fmt|_ZNSt|_ZSt", name)] == []


@pytest.fixture
def build(prefix, tmp_path):
    """build(NAME, "OPTIONS"): compiles a program of this folder, as somebody with another HDF5 would."""
    def run(name, options, sources=("neighbour.c", "use_ckpt.c"), compiler=("cc", "-std=c11")):
        files = [str(HERE / source) for source in sources]
        command = [*compiler, "-Wall", "-Werror", "-o", str(tmp_path / name), *files, f"-I{prefix}/include",
                   f"-Wl,-rpath,{prefix}/lib", *options.format(ckpt=f"-L{prefix}/lib -lckpt").split()]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return tmp_path / name
    return run


def lives_with_us(program, tmp_path):
    """The program's own version of HDF5, after all went well."""
    result = subprocess.run([program, "run", "own.h5"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("order", ["{ckpt} " + STATIC_HDF5, STATIC_HDF5 + " {ckpt}"], ids=["ckpt first", "HDF5 first"])
def test_a_program_that_exports_another_hdf5_without_symbol_versions(build, tmp_path, order):
    program = build("exporting", f"-rdynamic {SERIAL} {order}")
    assert " T H5Fcreate\n" in answer("nm", "-D", program)
    assert lives_with_us(program, tmp_path) == "1.10.8"


@pytest.mark.parametrize("order", ["{ckpt} -lhdf5", "-lhdf5 {ckpt}"], ids=["ckpt first", "HDF5 first"])
def test_a_program_linked_with_the_distribution_s_hdf5(build, tmp_path, order):
    assert lives_with_us(build("linked", f"{SERIAL} {order}"), tmp_path) == "1.10.8"


@pytest.mark.parametrize("order", ["{ckpt} {mpi}", "{mpi} {ckpt}"], ids=["ckpt first", "HDF5 first"])
def test_a_program_linked_with_a_parallel_hdf5(build, tmp_path, order):
    parallel = LIBRARIES / "libhdf5_openmpi.so.103"
    options = order.replace("{mpi}", str(parallel))
    assert lives_with_us(build("parallel", f"{SERIAL} {options}"), tmp_path) == "1.10.8"


def names_of(*libraries):
    """Everything these export, without symbol versions."""
    text = "".join(answer("nm", "-D", "--defined-only", library) for library in libraries)
    return sorted({name.split("@")[0] for name in re.findall(r" [TWVBDRi] (\S+)", text)} - {"_init", "_fini"})


def test_no_call_inside_the_library_can_be_caught_from_outside(build, tmp_path):
    """A program that exports every name of these libraries, each of which ends it."""
    inside = [next(LIBRARIES.glob(pattern)) for pattern in
              ("libhdf5_serial.so.*", "libzstd.so.1", "libxxhash.so.0", "libfmt.so.9", "libstdc++.so.6")]
    names = [name for name in names_of(*inside) if name.isidentifier()]
    assert len(names) > 5000
    traps = tmp_path / "traps.c"
    traps.write_text("#include <stdlib.h>\nvoid trap(void) { abort(); }\n" + "".join(
        f'void {name}(void) __attribute__((alias("trap")));\n' for name in names))
    main = tmp_path / "main.c"
    main.write_text('#include "use_ckpt.h"\nint main(void) { return use_ckpt("run"); }\n')
    program = build("trapped", f"-w -fno-builtin -rdynamic -I{HERE} {{ckpt}}", ("use_ckpt.c", traps, main))
    result = subprocess.run([program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")


def test_an_exception_of_the_program_s_own_runtime_becomes_an_error(build, tmp_path):
    program = build("throwing", "{ckpt}", ("throwing.cpp",), ("c++", "-std=c++20"))
    assert "libstdc++.so.6" in answer("readelf", "-d", program)
    output = answer(program, cwd=tmp_path, env=os.environ | {"CKPT_RUN_DIR": "run"})
    assert re.fullmatch(r".*the program's own trouble.*\n", output)


def test_variables_meant_for_the_program_s_hdf5_change_nothing(build, tmp_path, prefix):
    main = tmp_path / "main.c"
    main.write_text('#include "use_ckpt.h"\nint main(void) { return use_ckpt("run"); }\n')
    program = build("alone", f"-I{HERE} {{ckpt}}", ("use_ckpt.c", main))
    names = ["HDF5_VOL_CONNECTOR", "HDF5_DRIVER", "HDF5_PLUGIN_PATH", "HDF5_USE_FILE_LOCKING"]
    result = subprocess.run([program], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                            env=os.environ | dict.fromkeys(names, "nonsense"))
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("writer, reader", [("dev", "release"), ("release", "dev")])
def test_a_snapshot_written_with_one_hdf5_is_read_with_the_other(repository, tmp_path, writer, reader):
    program = {build: repository / f"build/{build}/bin/compat_test" for build in (writer, reader)}
    assert ["libhdf5" in answer("readelf", "-d", program[build]) for build in ("dev", "release")] == [True, False]
    environment = os.environ | {"CKPT_GOLDEN_FILE": str(tmp_path / "file.h5")}
    answer(program[writer], "[write]", env=environment)
    assert "All tests passed" in answer(program[reader], "[read]", env=environment)


H5PY_FIRST = "import h5py\nuse = load()\n"
H5PY_LAST = "use = load()\nassert use(b'early') == 0\nimport h5py\n"


def hdf5_of_h5py():
    """The library in h5py's wheel: HDF5 2, and its names are without versions."""
    [library] = pathlib.Path(importlib.util.find_spec("h5py").origin).parents[1].glob("h5py.libs/libhdf5-*.so*")
    assert " T H5Fcreate\n" in answer("nm", "-D", library)
    return {"LD_PRELOAD": str(library), "LD_LIBRARY_PATH": str(library.parent)}


@pytest.mark.parametrize("for_all", [False, True], ids=["HDF5 of its own", "HDF5 for the whole process"])
@pytest.mark.parametrize("order", [H5PY_FIRST, H5PY_LAST], ids=["h5py first", "ckpt first"])
def test_a_python_with_h5py(build, tmp_path, order, for_all):
    build("use.so", "-shared -fPIC {ckpt}", ("use_ckpt.c",))
    script = tmp_path / "script.py"
    script.write_text("import ctypes\ndef load(): return ctypes.CDLL('./use.so').use_ckpt\n" + order + """
with h5py.File("own.h5", "w") as file:
    file["before"] = list(range(1000))
    assert use(b"run") == 0
    file.create_dataset("after", data=list(range(1000)), compression="gzip", chunks=(100,))
with h5py.File("own.h5") as file:
    assert list(file["before"]) == list(file["after"]) == list(range(1000))
with h5py.File("run/snapshots/step-000000000007-b0001.h5") as file:
    assert file.attrs["step"] == 7
    import hdf5plugin
    assert (file["state/group/state"][:] == [i + 7 for i in range(100000)]).all()
assert use(b"again") == 0
""")
    result = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                            env=os.environ | (hdf5_of_h5py() if for_all else {}))
    assert (result.returncode, result.stderr) == (0, "")
