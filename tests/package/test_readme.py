# SPDX-License-Identifier: Apache-2.0
"""README.md is run as a reader would run it, with the package installed."""
import pytest

import read_aloud


def read(text, shell, folder):
    def run(_, command):
        result = shell(command, folder)
        return result.returncode, result.stdout
    return read_aloud.read_aloud(text, lambda name, content: (folder / name).write_text(content), run)


def test_what_the_readme_says_is_what_happens(repository, shell, tmp_path):
    assert read((repository / "README.md").read_text(), shell, tmp_path) > 0


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
    assert read(GOOD, shell, tmp_path) == 3


@pytest.mark.parametrize("true, false", [
    ("one [1]\nt*", "one [2]\nt*"), ("one [1]\nt*", "one [1]"), ("./hello\n", "./helo\n"), ("return 0", "return 1"),
    ("puts(\"two\")", "puts(\"two\""), ("Save it as `hello.c`.", "Save it.")])
def test_an_untrue_text_fails(shell, tmp_path, true, false):
    assert true in GOOD
    with pytest.raises(AssertionError):
        read(GOOD.replace(true, false, 1), shell, tmp_path)
