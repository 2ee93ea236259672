#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the Zephyr application's files against each other, without Zephyr.

Checks Kconfig, prj.conf, boards/, sample.yaml, the firmware's sources and the documentation: no symbol used and
not defined, none defined and not used or not documented, no value that Kconfig would refuse, no board, devicetree
alias or shell command named in one place and missing in another, one version number. Each error names file and
line and what to do. With --write, docs/configuration.md is written from Kconfig.

Needs Python 3.9 and nothing else. Limits: symbols of Zephyr itself are not looked up; west build does that.
"""

import argparse
import re
import sys
from pathlib import Path

import kconfig

CONFIGURATION = "docs/configuration.md"
BOARD_DOCUMENTS = ("README.md", "docs/boards.md")
TEXT_FILES = {".c", ".h", ".rs", ".cmake", ".conf", ".md", ".overlay", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
SKIPPED = {".git", "target", "build", "twister-out", "fuzz", ".venv", "__pycache__", "node_modules"}
# These hold symbols that are wrong on purpose, or no symbols of the application.
NOT_READ = {"tests/test_consistency.py", CONFIGURATION}


class Application:
    """The files of the application, and the errors that were found."""

    def __init__(self, root):
        self.root = root
        self.tree = kconfig.parse(root)
        self.errors = []
        self.files = sorted(self.find(root))

    def find(self, folder):
        """Text files below a folder."""
        for path in folder.iterdir():
            if path.is_dir():
                if path.name not in SKIPPED and not path.is_symlink() and not path.name.startswith("build"):
                    yield from self.find(path)
            elif path.suffix in TEXT_FILES and self.relative(path) not in NOT_READ:
                yield path

    def relative(self, path):
        """A path as people write it."""
        return path.relative_to(self.root).as_posix()

    def lines(self, path):
        """The numbered lines of a file; none if it is missing."""
        path = self.root / path
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        return enumerate(text.splitlines(), 1)

    def error(self, path, line, text):
        """Notes what is wrong, and the remedy."""
        name = self.relative(path) if isinstance(path, Path) else path
        self.errors.append(f"{name}:{line}: {text}")

    def under(self, *folders):
        """The files below some folders."""
        return [path for path in self.files if path.relative_to(self.root).parts[0] in folders]


def check_symbols(app):
    """Every symbol that is used is defined, and every one that is defined is used."""
    defined = set(app.tree.own()) | app.tree.log_symbols()
    used = set()
    for path in app.files:
        for number, line in app.lines(path):
            for name in re.findall(r"\bCONFIG_(AZURE_\w+|ZVFS_OPEN_ADD_SIZE_AZURE)", line):
                used.add(name)
                if name not in defined:
                    app.error(path, number, f"CONFIG_{name} is not defined: correct its name, or define it in Kconfig")
    used |= symbols_of_kconfig(app, defined) | symbols_of_embed(app, defined)
    for name, symbol in app.tree.own().items():
        # The last of a choice is what remains when the others are off.
        if name not in used and not symbol.choice:
            app.error(symbol.file, symbol.line, f"{name} is used nowhere: use it in the firmware, or remove it")


def symbols_of_kconfig(app, defined):
    """The symbols that Kconfig files refer to; those that they do not know are errors."""
    used = set()
    for path in app.tree.files:
        for number, line in app.lines(path):
            if re.match(r"\s*(config|menuconfig|choice)\s", line):
                continue
            for name in re.findall(r"\bAZURE_\w+", line):
                if name in app.tree.choices:
                    continue
                # A help text mentions symbols, and does not use them.
                if re.match(r"\s*(default|depends|imply|if|range|select)\b", line):
                    used.add(name)
                if name not in defined:
                    app.error(path, number, f"{name} is not defined: correct its name, or define it")
    return used


def symbols_of_embed(app, defined):
    """The symbols that the embedding script reads, which names them without their prefix."""
    path = app.root / "firmware/scripts/embed.py"
    used = set()
    for number, line in app.lines(path):
        for short in re.findall(r"[\"']((?:[A-Z0-9]+_)*[A-Z0-9]+)[\"']", line):
            name = f"AZURE_{short}"
            if name in defined:
                used |= {name} | {f"{name}_FILE"} & defined
            elif re.search(rf"\.(?:get|required|secret|text)\([\"']{short}[\"']", line):
                app.error(path, number, f"{name} is not defined: correct its name, or define it in Kconfig")
    return used


def check_help(app):
    """Every symbol that a person can set says what it does."""
    for name, symbol in app.tree.own().items():
        if symbol.prompt and not symbol.help:
            app.error(symbol.file, symbol.line, f"{name} has no help text: say what it does and which value to choose")


def check_values(app):
    """Configuration files set each symbol once, to a value that it can take."""
    for path in app.files:
        if path.suffix != ".conf":
            continue
        seen = {}
        for number, line in app.lines(path):
            if not line.strip() or line.startswith("#"):
                continue
            # Sysbuild has symbols of its own.
            prefix = "SB_CONFIG_" if path.name == "sysbuild.conf" else "CONFIG_"
            match = re.fullmatch(rf"{prefix}(\w+)=(.+)", line.rstrip())
            if not match:
                app.error(path, number, f"{line!r} is no setting: write CONFIG_NAME=value, or # before a comment")
                continue
            name, value = match.groups()
            if name in seen:
                app.error(path, number, f"CONFIG_{name} is set in line {seen[name]} already: keep one")
            seen[name] = number
            check_value(app, path, number, app.tree.own().get(name), value)


def check_value(app, path, number, symbol, value):
    """A setting of the application's own symbol fits its type and range."""
    if symbol is None:
        if not re.fullmatch(r'[yn]|-?\d+|0x[0-9a-fA-F]+|".*"', value):
            app.error(path, number, f"{value} is no value: write y, n, a number, or text in double quotes")
        return
    name = symbol.name
    if not symbol.prompt:
        app.error(path, number, f"CONFIG_{name} cannot be set, it follows from others: remove the line")
    elif symbol.type == "bool" and value not in ("y", "n"):
        app.error(path, number, f"CONFIG_{name}={value}: write y or n")
    elif symbol.type == "string" and not re.fullmatch(r'".*"', value):
        app.error(path, number, f"CONFIG_{name}={value}: put the text into double quotes")
    elif symbol.type == "int":
        lowest, highest = symbol.range or (None, None)
        if not re.fullmatch(r"-?\d+", value):
            app.error(path, number, f"CONFIG_{name}={value}: write a number")
        elif lowest and not int(lowest) <= int(value) <= int(highest):
            app.error(path, number, f"CONFIG_{name}={value}: choose a number from {lowest} to {highest}")


def yaml_lists(app, key):
    """The items of every list called `key` in sample.yaml, with their lines."""
    indent, found = None, []
    for number, line in app.lines("sample.yaml"):
        text = line.split(" #")[0].rstrip()
        column = len(text) - len(text.lstrip())
        match = re.fullmatch(rf"\s*{key}:\s*(.*)", text)
        if match:
            indent = column
            found += [(item, number) for item in re.split(r"[\s,\[\]]+", match.group(1)) if item]
        elif indent is not None and re.match(r"\s*- ", text) and column >= indent:
            found.append((text.strip()[2:].strip().strip("\"'"), number))
        elif text.strip() and not text.lstrip().startswith("#"):
            indent = None
    return found


def check_boards(app):
    """boards/, sample.yaml and the documentation name the same boards."""
    files = {}
    for path in sorted((app.root / "boards").iterdir()):
        if path.suffix in (".conf", ".overlay"):
            files.setdefault(path.stem, path)
    tested = {}
    for key in ("platform_allow", "integration_platforms"):
        for board, line in yaml_lists(app, key):
            tested.setdefault(board, line)
    # Zephyr looks for boards/native_sim_native_64.conf when it builds native_sim/native/64.
    names = {board.replace("/", "_"): board for board in tested}
    for stem, path in files.items():
        if stem not in names:
            app.error(path, 1, f"sample.yaml does not build {stem}: add the board to platform_allow, or remove the file")
    for board, line in tested.items():
        if board.replace("/", "_") not in files:
            app.error("sample.yaml", line, f"boards/ has no {board.replace('/', '_')}.conf or .overlay: add one, or remove it")
        for document in BOARD_DOCUMENTS:
            if not any(re.search(rf"(?<![\w/]){re.escape(board)}(?![\w/])", text) for _, text in app.lines(document)):
                app.error(document, 1, f"the board {board} is missing, and sample.yaml builds it: describe it")
    check_board_commands(app, set(tested))


def check_board_commands(app, boards):
    """Commands in the documentation name boards that exist."""
    for path in app.files:
        if path.suffix != ".md":
            continue
        for number, line in app.lines(path):
            for board in re.findall(r"west build [^`\n]*?(?:-b|--board)[ =]([\w/]+)", line):
                if board != "BOARD" and board not in boards:
                    app.error(path, number, f"sample.yaml does not build {board}: correct the name, or add the board")


def check_scenarios(app):
    """The files that sample.yaml's scenarios name exist."""
    for key in ("extra_conf_files", "extra_overlay_confs", "extra_dtc_overlay_files", "pytest_root"):
        for name, line in yaml_lists(app, key):
            path = name.strip("\"'").split("::")[0]
            if "$" not in path and not (app.root / path).exists():
                app.error("sample.yaml", line, f"{path} does not exist: correct the name, or add the file")


def check_aliases(app):
    """Devicetree aliases of the application are read by the firmware, given by a board, and documented."""
    read, given = {}, {}
    for path in app.under("firmware"):
        for number, line in app.lines(path):
            for name in re.findall(r"\b(?:DT_ALIAS|PIN)\((azure_\w+)", line):
                read.setdefault(name.replace("_", "-"), (path, number))
    for path in app.under("boards", "tests", "docs"):
        if path.suffix == ".overlay":
            for number, line in app.lines(path):
                for name in re.findall(r"^\s*(azure-[\w-]+)\s*=\s*&", line):
                    given.setdefault(name, (path, number))
    documents = "\n".join(line for path in app.files if path.suffix == ".md" for _, line in app.lines(path))
    documents += "\n".join(symbol.help for symbol in app.tree.own().values())
    for name, place in given.items():
        if name not in read:
            app.error(*place, f"the firmware reads no alias {name}: correct the name, or remove it")
    for name, place in read.items():
        if name not in given:
            app.error(*place, f"no board gives the alias {name}: correct the name, or add it to an overlay")
        if not re.search(rf"{name}(?![\w-])", documents):
            app.error(*place, f"the alias {name} is not documented: describe it in {BOARD_DOCUMENTS[1]}")


def check_commands(app):
    """The shell commands that the documentation names exist, and those that exist are documented."""
    path = app.root / "firmware/shim/shell.c"
    commands = {}
    folder, text = {"settable": "set "}, path.read_text(encoding="utf-8") if path.is_file() else ""
    for block in re.finditer(r"SHELL_STATIC_SUBCMD_SET_CREATE\(\s*(\w+),(.*?)SHELL_SUBCMD_SET_END", text, re.DOTALL):
        prefix = folder.get(block.group(1), "")
        for match in re.finditer(r"SHELL_(?:COND_)?CMD(?:_ARG)?\((?:CONFIG_\w+,\s*)?([a-z][\w-]*),", block.group(2)):
            start = block.start(2) + match.start()
            commands[prefix + match.group(1)] = text.count("\n", 0, start) + 1
    documented = set()
    for document in (path for path in app.files if path.suffix == ".md"):
        for number, line in app.lines(document):
            for words in re.findall(r"\bazure ((?:set )?[a-z][a-z-]*)(?=[ `\"]|$)", line):
                if "`" not in line and not line.startswith(("    ", "uart:~$", "azure ")):
                    continue
                documented.add(words)
                if re.search(rf"(`|\$ |^)azure {words}", line) and words not in commands:
                    app.error(document, number, f"there is no shell command \"azure {words}\": correct it")
    for command, line in commands.items():
        if command not in documented and not any(other.startswith(f"{command} ") for other in commands):
            app.error(path, line, f"the shell command \"azure {command}\" is documented nowhere: describe it")


def check_version(app):
    """VERSION and the Cargo manifests agree."""
    fields = {}
    for number, line in app.lines("VERSION"):
        match = re.match(r"(\w+)\s*=\s*(\d+)", line)
        if match:
            fields[match.group(1)] = (match.group(2), number)
    parts = [fields.get(name, ("?", 1))[0] for name in ("VERSION_MAJOR", "VERSION_MINOR", "PATCHLEVEL")]
    version = ".".join(parts)
    for manifest in ("Cargo.toml", "firmware/Cargo.toml"):
        for number, line in app.lines(manifest):
            match = re.match(r'version\s*=\s*"([^"]+)"', line)
            if match and match.group(1) != version:
                app.error(manifest, number, f"the version is {match.group(1)}, and VERSION says {version}: make them one")


def check_configuration(app, write):
    """docs/configuration.md says what Kconfig says."""
    text = kconfig.document(app.tree)
    path = app.root / CONFIGURATION
    if write:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    have = path.read_text(encoding="utf-8") if path.is_file() else ""
    if have == text:
        return
    pairs = enumerate(zip([*have.splitlines(), None], [*text.splitlines(), None]), 1)
    line = next((number for number, (old, new) in pairs if old != new), 1)
    app.error(CONFIGURATION, line, "differs from Kconfig: run tests/consistency.py --write")


def check(root, write=False):
    """All errors of the application in `root`."""
    app = Application(Path(root).resolve())
    check_symbols(app)
    check_help(app)
    check_values(app)
    check_boards(app)
    check_scenarios(app)
    check_aliases(app)
    check_commands(app)
    check_version(app)
    check_configuration(app, write)
    return app.errors


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--write", action="store_true", help=f"write {CONFIGURATION} from Kconfig first")
    arguments = parser.parse_args()
    errors = check(arguments.root, arguments.write)
    for error in errors:
        print(error, file=sys.stderr)
    if not errors:
        print("Kconfig, boards, sources and documentation agree.")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
