# SPDX-License-Identifier: Apache-2.0
"""Reads the application's Kconfig without Zephyr, and writes docs/configuration.md from it.

Understands what the application's Kconfig files use: menus, choices, config, if, types with prompts, default,
range, depends on, help, rsource, and the template that gives a module its log level. Zephyr's own files are
not followed.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

LOG_TEMPLATE = "Kconfig.template.log_config"
LOG_LEVELS = ("OFF", "ERR", "WRN", "INF", "DBG", "DEFAULT")
TYPES = ("bool", "int", "hex", "string")
# The symbol that brings the device into an image.
WHOLE = "AZURE_IOT_DEVICE"


@dataclass
class Symbol:
    """A symbol, where it is defined first, and what is said about it."""

    name: str
    file: Path
    line: int
    menu: str = ""
    choice: str = ""
    type: str = ""
    prompt: str = ""
    defaults: list = field(default_factory=list)
    range: tuple = ()
    depends: list = field(default_factory=list)
    help: str = ""


@dataclass
class Tree:
    """All symbols by name, the choices' first lines of help, and the files that were read."""

    symbols: dict = field(default_factory=dict)
    choices: dict = field(default_factory=dict)
    files: list = field(default_factory=list)
    log_module: str = ""

    def log_symbols(self):
        """The symbols that the log template defines."""
        if not self.log_module:
            return set()
        level = f"{self.log_module}_LOG_LEVEL"
        return {level, *(f"{level}_{name}" for name in LOG_LEVELS)}

    def own(self):
        """The symbols that the application defines, without further defaults for Zephyr's symbols."""
        return {name: symbol for name, symbol in self.symbols.items() if symbol.type}


class Reader:
    """Reads Kconfig files line by line into a Tree."""

    def __init__(self, root):
        self.root, self.tree = Path(root), Tree()
        self.menus, self.conditions = [], []
        self.choice, self.entry, self.module = None, None, ""

    def read(self, path):
        """Reads a file and those that it names with rsource."""
        self.tree.files.append(path)
        lines = path.read_text(encoding="utf-8").splitlines()
        number = 0
        while number < len(lines):
            text = lines[number].strip()
            number += 1
            if text == "help":
                number = self.take_help(lines, number)
            elif text and not text.startswith("#"):
                self.take(text, path, number)

    def take_help(self, lines, number):
        """Takes the lines that are indented deeper than `help`; gives the first line behind them."""
        indent = indentation(lines[number - 1])
        block = []
        while number < len(lines) and (not lines[number].strip() or indentation(lines[number]) > indent):
            block.append(lines[number].strip())
            number += 1
        if self.entry is not None:
            self.entry.help = "\n".join(block).strip()
        return number

    def take(self, text, path, number):
        """Takes one line."""
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        if word in ("config", "menuconfig"):
            self.define(rest, path, number)
        elif word == "choice":
            self.choice = rest or f"choice at {path.name}:{number}"
            self.entry = Symbol(self.choice, path, number, menu=self.menu(), type="choice")
            self.tree.choices[self.choice] = self.entry
        elif word == "endchoice":
            self.choice = self.entry = None
        elif word == "menu":
            self.menus.append(unquoted(rest))
        elif word == "endmenu":
            self.menus.pop()
        elif word == "if":
            self.conditions.append(rest)
        elif word == "endif":
            self.conditions.pop()
        elif word == "rsource":
            self.entry = None
            self.read(path.parent / unquoted(rest))
        elif word == "source":
            self.entry = None
            if rest.strip('"').endswith(LOG_TEMPLATE):
                self.tree.log_module = self.module
        elif word == "module":
            self.module = rest.lstrip("= ")
        else:
            self.attribute(word, rest)

    def menu(self):
        """The innermost menu."""
        return self.menus[-1] if self.menus else ""

    def define(self, name, path, number):
        """Starts a symbol, or goes on with one that was seen before."""
        new = Symbol(name, path, number, menu=self.menu(), choice=self.choice or "", depends=list(self.conditions))
        self.entry = self.tree.symbols.setdefault(name, new)

    def attribute(self, word, rest):
        """Takes a property of the current symbol; select and imply concern others."""
        entry = self.entry
        if entry is None:
            return
        if word in TYPES:
            entry.type = word if entry.type != "choice" else "choice"
            entry.prompt = unquoted(rest.partition(" if ")[0])
        elif word == "prompt":
            entry.prompt = unquoted(rest)
        elif word == "default":
            value, _, condition = rest.partition(" if ")
            entry.defaults.append((value.strip(), condition.strip()))
        elif word == "range":
            entry.range = tuple(rest.split())
        elif word == "depends":
            entry.depends.append(rest.removeprefix("on").strip())


def indentation(line):
    """Columns before the first character; a tab reaches to the next multiple of eight."""
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())


def unquoted(text):
    """The content of a quoted string."""
    return text.strip().strip('"')


def parse(root):
    """Reads the Kconfig of the application in `root`."""
    reader = Reader(root)
    reader.read(Path(root) / "firmware" / "Kconfig")
    return reader.tree


HEADER = """\
# Configuration

Every Kconfig symbol of the application. Set them in a file of your own outside the repository and give it to
the build: `west build -b BOARD -- -DEXTRA_CONF_FILE=/path/to/my.conf`. A relative path of a key or a
certificate starts at the application's directory. A combination that cannot work stops the configure step
with a sentence that says what to change.

This file is written from the Kconfig files by `tests/consistency.py --write`; edit those.
"""

LOG_TEXT = """
## Log

`CONFIG_{0}_LOG_LEVEL_OFF`, `_ERR`, `_WRN`, `_INF`, `_DBG` or `_DEFAULT` (Zephyr's default level): what the device
logs, as for every module of Zephyr.
"""


def cell(text):
    """Text for a cell of a table: paragraphs become line breaks."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return "<br>".join(paragraphs).replace("|", "\\|")


def default_of(symbol):
    """The defaults with their conditions, as a cell."""
    parts = []
    for value, condition in symbol.defaults:
        value = '""' if value == '""' else value
        parts.append(f"`{value}`" + (f" if `{condition}`" if condition else ""))
    if not parts and symbol.type == "bool" and not symbol.choice:
        parts.append("`n`")
    return ", else ".join(parts).replace("|", "\\|")


def row(symbol):
    """A symbol's row."""
    values = {"bool": "y, n", "string": "text"}.get(symbol.type, symbol.type)
    if symbol.range:
        values = f"{symbol.range[0]} to {symbol.range[1]}"
    text = f"**{symbol.prompt}.**"
    if symbol.help:
        text += f" {cell(symbol.help)}"
    # All of them depend on the first one.
    conditions = [condition for condition in symbol.depends if "$(" not in condition and condition != WHOLE]
    if conditions:
        text += f"<br>Only with `{'` and `'.join(conditions)}`.".replace("|", "\\|")
    return f"| `CONFIG_{symbol.name}` | {values} | {default_of(symbol)} | {text} |"


def document(tree):
    """The text of docs/configuration.md."""
    parts = [HEADER]
    menu, choice = None, None
    for symbol in tree.own().values():
        if not symbol.prompt:
            continue
        if symbol.menu != menu:
            menu = symbol.menu
            parts.append(f"\n## {menu}\n")
            parts.append("| Symbol | Values | Default | Meaning |\n|---|---|---|---|")
        if symbol.choice and symbol.choice != choice:
            chosen = tree.choices[symbol.choice]
            default = default_of(chosen).replace("`", "")
            parts.append(f"| one of these: | | `{default}` | **{chosen.prompt}.** {cell(chosen.help)} |")
        choice = symbol.choice
        parts.append(row(symbol))
    if tree.log_module:
        parts.append(LOG_TEXT.format(tree.log_module).rstrip("\n"))
    return "\n".join(parts) + "\n"
