# SPDX-License-Identifier: Apache-2.0
"""README.md is run as a reader would run it, with the package installed.

A `c` block is a whole program; the text after it says, in backticks, under which name to save it. In a `console` block
the lines that begin with "$ " are commands, run one after another in one folder; what follows each, up to the next, is
its output, where * stands for anything."""
import re

import pytest


def blocks(text):
    """(language, content, text up to the next block) of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$(.*?)(?=^```|\Z)", text, flags=re.DOTALL | re.MULTILINE)


def commands(block):
    """(command, expected output) pairs; a line that ends with a backslash goes on."""
    pairs = []
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            while line.endswith("\\"):
                line += "\n" + next(lines)
            pairs.append((line[2:], []))
        else:
            pairs[-1][1].append(line)
    return [(command, "\n".join(expected)) for command, expected in pairs]


def matches(output, expected):
    return re.fullmatch(re.escape(expected).replace(r"\*", ".*"), output.rstrip("\n"), re.DOTALL) is not None


def read_aloud(text, shell, folder):
    """Does what the text says; returns the number of commands run."""
    count = 0
    for language, content, after in blocks(text):
        if language == "c":
            name = re.search(r"`(\w+\.c)`", after)
            assert name, "the text after a C block says under which name to save it"
            (folder / name.group(1)).write_text(content)
        elif language == "console":
            for command, expected in commands(content):
                result = shell(command, folder)
                assert result.returncode == 0, f"$ {command}\n{result.stdout}exit code {result.returncode}"
                assert matches(result.stdout, expected), f"$ {command}\n{result.stdout}expected:\n{expected}"
                count += 1
    return count


def test_what_the_readme_says_is_what_happens(repository, shell, tmp_path):
    assert read_aloud((repository / "README.md").read_text(), shell, tmp_path) > 0


GOOD = '''Text.
```c
#include <stdio.h>
int main(void) { puts("one [1]"); puts("two"); return 0; }
```
Save it as `hello.c`.
```console
$ cc -o hello \\
    hello.c
$ ./hello
one [1]
t*
$ ./hello | wc -l
*2*
```
'''


def test_a_true_text_passes(shell, tmp_path):
    assert read_aloud(GOOD, shell, tmp_path) == 3


@pytest.mark.parametrize("true, false", [
    ("one [1]\nt*", "one [2]\nt*"), ("one [1]\nt*", "one [1]"), ("./hello\n", "./helo\n"), ("return 0", "return 1"),
    ("puts(\"two\")", "puts(\"two\""), ("Save it as `hello.c`.", "Save it.")])
def test_an_untrue_text_fails(shell, tmp_path, true, false):
    assert true in GOOD
    with pytest.raises(AssertionError):
        read_aloud(GOOD.replace(true, false, 1), shell, tmp_path)
