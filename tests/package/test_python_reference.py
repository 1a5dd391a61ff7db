# SPDX-License-Identifier: Apache-2.0
"""docs/python-reference.md says what the sources say."""
import subprocess
import sys


def made(repository):
    script = repository / "scripts/python-reference"
    return subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout


def test_the_reference_is_what_the_script_makes_of_the_sources(repository):
    remedy = "scripts/python-reference > docs/python-reference.md"
    assert (repository / "docs/python-reference.md").read_text() == made(repository), remedy


def test_every_public_module_is_in_it(repository):
    modules = {path.stem for path in (repository / "bindings/python/libckpt").glob("*.py") if not path.stem.startswith("_")}
    assert all(f"## libckpt.{module}\n" in made(repository) for module in modules)


def test_a_public_name_without_a_docstring_is_an_error(repository, tmp_path):
    script = tmp_path / "scripts/python-reference"
    script.parent.mkdir()
    script.write_text((repository / "scripts/python-reference").read_text())
    package = tmp_path / "bindings/python/libckpt"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""libckpt"""\n__all__ = ["work"]\n\n\ndef work():\n    pass\n')
    result = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr == "libckpt.work() has no docstring\n"
