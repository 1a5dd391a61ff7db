# SPDX-License-Identifier: Apache-2.0
"""The messages that the sources hold, and those that docs/messages.md explains; `…` stands for what varies in them."""
import ast
import re

# A call whose first text is what a user reads. What CKPT_LOG_LEVEL=debug adds is for those who have the sources.
CALL = re.compile(r"\b(?:fail|fail_io|Error|log_error|log_warning|log_info|warn_once)\s*[({]")
LITERALS = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+')
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
# Sentences get into a message as its reason, too: why a block ended, why a checkpoint is not whole, what Slurm answered. Any
# sentence of a source file counts as such a reason, but for the files that say something else:
NO_REASONS = {
    "options and their help": ["supervisor/ckpt.cpp", "supervisor/ckptrun.cpp", "supervisor/ckptplan.cpp"],
    "a report that was asked for": ["supervisor/doctor/", "supervisor/verify/", "supervisor/plan/act.cpp",
                                    "supervisor/plan/rehearsal.cpp", "supervisor/plan/submission.cpp",
                                    "supervisor/plan/view.cpp", "supervisor/tools/diff.cpp",
                                    "supervisor/tools/keep.cpp", "supervisor/tools/list.cpp",
                                    "supervisor/tools/preview_view.cpp", "supervisor/tools/remove.cpp",
                                    "supervisor/tools/show.cpp", "supervisor/tools/status.cpp"],
    "the fields of a preset; docs/sites.md": ["supervisor/plan/preset_list.cpp", "supervisor/plan/preset_text.cpp"],
    "lines of a job script": ["supervisor/slurm/script.cpp"],
    "the names of the statuses; ckpt.h": ["libckpt/api/status.cpp"],
    "which call of HDF5 failed": ["libckpt/snapshot/"],
}
# In the others, but nothing that is said: what is looked for in the output of programs, the content of a file, a label.
NOT_SAID = {"No CUDA GPUs are available", ": Out Of Memory", "Traceback (most recent call last)",
            "Unable to open file", "No route to host",
            "Unable to contact slurm controller", "Zero Bytes were transmitted", "Configuration data as of",
            "Model: \\t\\t NVIDIA H100", "…: ……, since …", "block …: program …", "block …: ……, since …", "pid … on …",
            "this run has had durable snapshots", "exit code 3; it came before …", "a repository of its own",
            "the job and its task, a trial of a sweep", "…, as of …",
            '{ rm -rf "$0" 2>/dev/null || …; }'}
WORDS_OF_A_SENTENCE = 4
PYTHON_LOGS = {"warn", "say"}


def plain(text):
    """A format string as it is printed, `…` for each value."""
    text = text.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", " ")
    text = text.replace("{{", "\0").replace("}}", "\1")
    text = re.sub(r"\{[^{}]*\}", "…", text)
    return " ".join(text.replace("\0", "{").replace("\1", "}").split()).lstrip(";, ")


def says_something(text):
    """More than values and what stands between them."""
    return len(re.findall(r"[A-Za-z]{2,}", text)) >= 2


def without_debug_lines(source):
    return re.sub(r"\b(?:log_debug|static_assert)\s*\([^;]*;", "", source)


def without_comments(source):
    return re.sub(r"(?m)(^|\s)//[^\"\n]*$|^\s*//.*$", "", source)


def texts_of_call(source, start):
    """Of the call whose bracket opens at `start`: its first text, and whatever else in it is a sentence."""
    depth, position, texts = 0, start, []
    while position < len(source):
        if source[position] == '"':
            run = LITERALS.match(source, position)
            texts.append("".join(LITERAL.findall(run[0])))
            position = run.end()
            continue
        depth += (source[position] in "({[") - (source[position] in ")}]")
        if depth == 0 or source[position] == ";":
            break
        position += 1
    return texts[:1] + [text for text in texts[1:] if is_sentence(text)]


def is_sentence(text):
    return len(text.split()) >= WORDS_OF_A_SENTENCE


def of_cpp(source):
    source = without_comments(source)
    return {plain(text) for call in CALL.finditer(source) for text in texts_of_call(source, call.end() - 1)}


def reasons_of_cpp(source):
    texts = ("".join(LITERAL.findall(run[0])) for run in LITERALS.finditer(without_debug_lines(without_comments(source))))
    return {plain(text) for text in texts if is_sentence(text)} - NOT_SAID


def text_of(node):
    """Of a Python expression that makes a message: the literal words of it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return "…"


def of_python(source):
    found = set()
    for node in ast.walk(ast.parse(source)):
        calls = [node.exc] if isinstance(node, ast.Raise) else []
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in PYTHON_LOGS:
            calls = [node]
        for call in calls:
            for part in ast.walk(call) if call else []:
                if isinstance(part, ast.Call) and part.args:
                    found.add(" ".join(text_of(part.args[0]).split()))
    return found


def is_without_reasons(path):
    return any(path.startswith(other) for paths in NO_REASONS.values() for other in paths)


def in_sources(repository):
    found = set()
    for folder in ("libckpt", "supervisor"):
        for path in (repository / folder).rglob("*.[ch]pp"):
            found |= of_cpp(path.read_text())
            if path.suffix == ".cpp" and not is_without_reasons(str(path.relative_to(repository))):
                found |= reasons_of_cpp(path.read_text())
    for path in (repository / "bindings/python").rglob("*.py"):
        found |= of_python(path.read_text())
    return {text for text in found if says_something(text)}


def in_document(text):
    """Those at the start of a line of a list: - `message`, or - `` message ``"""
    return [line.strip("`").strip() for line in re.findall(r"(?m)^- (`.*`)$", text)]
