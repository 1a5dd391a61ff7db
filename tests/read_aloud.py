# SPDX-License-Identifier: Apache-2.0
"""Texts that tests run as a reader would. In a `console` block the lines that begin with a prompt ("$ ", "login$ ") are
commands, run one after another; what follows each, up to the next, is its output, where * stands for anything. A `c`
block is a whole program; the text after it says, in backticks, under which name to save it. So is a `python` block where
the text says "Save it as"."""
import re

PROMPT = re.compile(r"(\w*)\$ ")


def blocks(text):
    """(language, content, text up to the next block) of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$(.*?)(?=^```|\Z)", text, flags=re.DOTALL | re.MULTILINE)


def commands(block):
    """(word before the prompt, command, expected output) of each; a command goes on behind a backslash, and to the end of
    a here-document."""
    found = []
    lines = iter(block.splitlines())
    for line in lines:
        prompt = PROMPT.match(line)
        if not prompt:
            found[-1][2].append(line)
            continue
        while line.endswith("\\"):
            line += "\n" + next(lines)
        if here := re.search(r"<<\s*'?(\w+)'?", line):
            while line.splitlines()[-1] != here.group(1):
                line += "\n" + next(lines)
        found.append((prompt.group(1), line[prompt.end():], []))
    return [(place, command, "\n".join(expected)) for place, command, expected in found]


def matches(output, expected):
    return re.fullmatch(re.escape(expected).replace(r"\*", ".*"), output.rstrip("\n"), re.DOTALL) is not None


def read_aloud(text, save, run):
    """Does what the text says, by save(name, content) and run(place, command), which answers exit code and output.
    Returns the number of commands run."""
    count = 0
    for language, content, after in blocks(text):
        if language == "c":
            name = re.search(r"`(\w+\.c)`", after)
            assert name, "the text after a C block says under which name to save it"
            save(name.group(1), content)
        elif language == "python":
            if name := re.search(r"Save it as `(\w+\.py)`", after):
                save(name.group(1), content)
        elif language == "console":
            for place, command, expected in commands(content):
                code, output = run(place, command)
                assert code == 0, f"$ {command}\n{output}exit code {code}"
                assert matches(output, expected), f"$ {command}\n{output}expected:\n{expected}"
                count += 1
    return count
