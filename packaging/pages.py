#!/usr/bin/env python3
"""Writes the man pages and shell completions of the three programs, from what the programs say of themselves.

    packaging/pages.py PROGRAMS TARGET     PROGRAMS: the directory of the built programs; TARGET is made

`millrace --experimental-dump-help` has its commands as JSON, and it writes its own completions. `millrace-broker` and `millrace-load` have
parsers of their own: their `--help` is read. A line of help that this reader cannot place ends it with an error, so that no option is
left out in silence.
"""
import json
import os
import re
import subprocess
import sys


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


# ---- troff -------------------------------------------------------------------------------------------------------------

def text(line):
    """A line of text, with nothing in it that troff takes for a command."""
    line = line.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha").replace("`", "\\(ga")
    return "\\&" + line if line[:1] in (".", "'") else line


class Page:
    def __init__(self, name, abstract, version):
        self.name = name
        self.lines = [
            '.\\" Written by packaging/pages.py from the help of the program.',
            f'.TH "{name.upper()}" 1 "" "Millrace {version}" "Millrace"',
            ".SH NAME", f"{text(name)} \\- {text(abstract.rstrip('.'))}",
        ]

    def section(self, title):
        self.lines.append(f'.SH "{text(title.upper())}"')

    def part(self, title):
        self.lines.append(f'.SS "{text(title)}"')

    def paragraph(self, words):
        self.lines += [".PP", text(words)]

    def literal(self, lines):
        self.lines += [".PP", ".nf"] + [text(line) for line in lines] + [".fi"]

    def entry(self, term, words):
        self.lines += [".TP", f"\\fB{text(term)}\\fR", text(words) if words else "\\&"]

    def written(self):
        return "\n".join(self.lines) + "\n"


# ---- millrace: ArgumentParser's description ------------------------------------------------------------------------------

def spelled(name):
    return {"short": "-", "longWithSingleDash": "-"}.get(name["kind"], "--") + name["name"]


def term(argument):
    if argument["kind"] == "positional":
        value = f"<{argument['valueName']}>"
    else:
        value = ", ".join(spelled(name) for name in argument.get("names", []))
        if argument["kind"] == "option":
            value += f" <{argument['valueName']}>"
    return value + (" ..." if argument.get("isRepeating") else "")


def words_of(argument):
    words = " ".join(filter(None, [argument.get("abstract"), argument.get("discussion")]))
    values = argument.get("allValues")
    if values:
        words += f" (values: {', '.join(values)})"
    if argument.get("defaultValue") not in (None, ""):
        words += f" (default: {argument['defaultValue']})"
    return " ".join(words.split())


def displayed(items):
    return [item for item in items or [] if item.get("shouldDisplay", True)]


def synopsis(path, command):
    parts = []
    for argument in displayed(command.get("arguments")):
        shown = term(argument)
        parts.append(f"[{shown}]" if argument.get("isOptional") else shown)
    if command.get("subcommands"):
        parts.append("<command>")
    return " ".join([path] + parts)


def discussion(page, words):
    """Headings are lines in capitals, examples are indented, the rest is prose."""
    prose, literal = [], []

    def end():
        if prose:
            page.paragraph(" ".join(prose))
        if literal:
            page.literal(literal)
        prose.clear()
        literal.clear()

    for line in words.split("\n"):
        if re.fullmatch(r"[A-Z][A-Z ]+", line):
            end()
            page.section(line)
        elif line.startswith("  "):
            if prose:
                end()
            literal.append(line[2:])
        elif line.strip():
            if literal:
                end()
            prose.append(line.strip())
        else:
            end()
    end()


def arguments(page, command):
    for argument in displayed(command.get("arguments")):
        page.entry(term(argument), words_of(argument))


def nested(page, path, command):
    for sub in displayed(command.get("subcommands")):
        if sub["commandName"] == "help":
            continue
        page.part(synopsis(f"{path} {sub['commandName']}", sub))
        if sub.get("abstract"):
            page.paragraph(sub["abstract"])
        arguments(page, sub)
        nested(page, f"{path} {sub['commandName']}", sub)


def lab_pages(programs, version):
    root = json.loads(run(f"{programs}/millrace", "--experimental-dump-help"))["command"]
    commands = [command for command in displayed(root["subcommands"]) if command["commandName"] != "help"]
    page = Page("millrace", root["abstract"], version)
    page.section("synopsis")
    page.paragraph(synopsis("millrace", root))
    page.section("commands")
    for command in commands:
        page.entry(command["commandName"], command.get("abstract", ""))
    discussion(page, root.get("discussion", ""))
    page.section("see also")
    page.paragraph(", ".join(f"millrace-{command['commandName']}(1)" for command in commands)
                   + ", millrace-broker(1), millrace-load(1)")
    yield page
    for command in commands:
        name = f"millrace-{command['commandName']}"
        page = Page(name, command.get("abstract", ""), version)
        page.section("synopsis")
        page.paragraph(synopsis(f"millrace {command['commandName']}", command))
        page.section("options")
        arguments(page, command)
        if command.get("subcommands"):
            page.section("commands")
            nested(page, f"millrace {command['commandName']}", command)
        discussion(page, command.get("discussion", ""))
        page.section("see also")
        page.paragraph("millrace(1)")
        yield page


# ---- millrace-broker and millrace-load: their --help ---------------------------------------------------------------------

class Help:
    """A program's help in parts: usage, prose, options and exit codes."""

    def __init__(self, words):
        self.usage, self.prose, self.options, self.heading, self.exit = [], [], [], None, []
        state = None
        for line in words.rstrip("\n").split("\n"):
            option = re.fullmatch(r"  (-[^ ].*?)(?:  +(.*))?", line)
            if line.startswith("usage: "):
                self.usage.append(line[7:])
                state = "usage"
            elif re.match(r"exit codes?: ", line):
                self.exit.append(line.split(": ", 1)[1])
                state = "exit"
            elif state in ("usage", "exit") and line.startswith("       "):
                (self.usage if state == "usage" else self.exit).append(line.strip())
            elif option:
                self.options.append([option.group(1), [option.group(2)] if option.group(2) else []])
                state = "option"
            elif state == "option" and line.startswith("      "):
                self.options[-1][1].append(line.strip())
            elif not line:
                state = None
            elif re.fullmatch(r"flags.*:", line):
                self.heading = line.rstrip(":")
                state = None
            elif state == "prose" and not line.startswith(" "):
                self.prose[-1] += " " + line
            elif state is None and not line.startswith(" "):
                self.prose.append(line)
                state = "prose"
            else:
                raise SystemExit(f"pages.py does not understand this line of help: {line!r}")

    def names(self):
        for shown, words in self.options:
            for name in re.findall(r"(?:^|, )(--?[A-Za-z0-9-]+)", shown):
                yield name, " ".join(words)


def own_page(name, help_, version, more=()):
    first = help_.prose[0] if help_.prose else name
    command = name.replace("millrace-load-", "millrace-load ")
    abstract = first[len(command) + 1:] if first.startswith(command + " ") else first
    page = Page(name, abstract.split(".")[0], version)
    page.section("synopsis")
    page.literal(help_.usage)
    page.section("description")
    for words in help_.prose:
        page.paragraph(words)
    page.section("options")
    if help_.heading and help_.heading != "flags":
        page.paragraph(help_.heading + ":")
    for shown, words in help_.options:
        page.entry(shown, " ".join(words))
    if help_.exit:
        page.section("exit status")
        page.paragraph(" ".join(help_.exit))
    for title, words in more:
        page.section(title)
        page.paragraph(words)
    return page


# ---- Completions ---------------------------------------------------------------------------------------------------------

def quoted(words):
    return "'" + words.replace("'", "'\\''") + "'"


def bash(name, commands, options, keys):
    function = "_" + name.replace("-", "_")
    cases = "".join(
        f"    {command}) words={quoted(' '.join(sorted(set(n for n, _ in found))))} ;;\n" for command, found in options.items())
    override = ""
    if keys:
        override = f"""  if [[ $before == --override ]]; then
    COMPREPLY=($(compgen -S = -W {quoted(' '.join(keys))} -- "$word"))
    compopt -o nospace
    return
  fi
"""
    return f"""# bash completion of {name}, written by packaging/pages.py
{function}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
{override}  if [[ $COMP_CWORD -eq 1 && $word != -* ]]; then
    COMPREPLY=($(compgen -W {quoted(' '.join(commands))} -- "$word") $(compgen -f -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}  esac
  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "$words" -- "$word")); else COMPREPLY=($(compgen -f -- "$word")); fi
}}
complete -o filenames -F {function} {name}
"""


def zsh(name, commands, options, keys):
    def described(found):
        return " ".join(quoted(n + ":" + w.replace(":", "\\:").split(";")[0]) for n, w in found)

    cases = "".join(
        f"    {command.replace('*', '(*)') if command != '*' else '*'}) options=({described(found)}) ;;\n"
        for command, found in options.items())
    override = ""
    if keys:
        override = f"""  if [[ $words[CURRENT-1] == --override ]]; then
    compadd -S = -- {' '.join(keys)}
    return
  fi
"""
    listed = f"""  if (( CURRENT == 2 )) && [[ $words[CURRENT] != -* ]]; then
    compadd -- {' '.join(commands)}
    _files
    return
  fi
""" if commands else ""
    return f"""#compdef {name}
# Written by packaging/pages.py.
_{name}() {{
  local -a options
{override}{listed}  case $words[2] in
{cases}  esac
  if [[ $words[CURRENT] == -* ]]; then _describe option options; else _files; fi
}}
_{name} "$@"
"""


def fish(name, commands, options, keys):
    lines = [f"# fish completion of {name}, written by packaging/pages.py"]
    for command in commands:
        lines.append(f"complete -c {name} -n __fish_use_subcommand -a {command}")
    for command, found in options.items():
        where = "" if command == "*" else f" -n '__fish_seen_subcommand_from {command}'"
        for option, words in found:
            spelling = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            values = f" -x -a {quoted(' '.join(key + '=' for key in keys))}" if keys and option == "--override" else ""
            lines.append(f"complete -c {name}{where} {spelling}{values} -d {quoted(words)}")
    return "\n".join(lines) + "\n"


def main():
    programs, target = sys.argv[1], sys.argv[2]
    os.makedirs(target, exist_ok=True)

    def write(name, words):
        with open(f"{target}/{name}", "w", encoding="utf-8") as file:
            file.write(words)

    version = run(f"{programs}/millrace-broker", "--version").split()[-1]
    for page in lab_pages(programs, version):
        write(f"{page.name}.1", page.written())
    write("millrace.bash", run(f"{programs}/millrace", "--generate-completion-script", "bash"))
    write("_millrace", run(f"{programs}/millrace", "--generate-completion-script", "zsh"))
    write("millrace.fish", run(f"{programs}/millrace", "--generate-completion-script", "fish"))

    broker = Help(run(f"{programs}/millrace-broker", "--help"))
    keys = [line.lstrip("#").split("=")[0] for line in run(f"{programs}/millrace-broker", "--print-config").split("\n")
            if re.match(r"#?[a-z][a-z0-9.]*=", line)]
    more = [
        ("signals", "SIGTERM, SIGINT and SIGHUP stop the broker in order. Under nohup SIGHUP is ignored."),
        ("environment", "NOTIFY_SOCKET: a socket of the service manager, which is told READY=1 when the broker serves, and STOPPING=1."),
        ("see also", "millrace(1), millrace-load(1)"),
    ]
    write("millrace-broker.1", own_page("millrace-broker", broker, version, more).written())
    write_completions(write, "millrace-broker", [], {"*": list(broker.names())}, keys)

    load = {"": Help(run(f"{programs}/millrace-load", "--help"))}
    for command in ("produce", "consume", "end-to-end", "sustain", "twin", "check", "relay"):
        load[command] = Help(run(f"{programs}/millrace-load", command, "--help"))
    more = [("see also", "millrace-load-sustain(1), millrace-load-twin(1), millrace-load-check(1), millrace-load-relay(1), millrace(1)")]
    write("millrace-load.1", own_page("millrace-load", load[""], version, more).written())
    for command in ("sustain", "twin", "check", "relay"):
        page = own_page(f"millrace-load-{command}", load[command], version, [("see also", "millrace-load(1)")])
        write(f"{page.name}.1", page.written())
    common = list(load["produce"].names())
    options = {command: list(help_.names()) + (common if command in ("sustain", "twin") else [])
               for command, help_ in load.items() if command}
    options["*"] = [("--help", "print the flags"), ("--version", "print the version")]
    write_completions(write, "millrace-load", [command for command in load if command], options, [])


def write_completions(write, name, commands, options, keys):
    write(f"{name}.bash", bash(name, commands, options, keys))
    write(f"_{name}", zsh(name, commands, options, keys))
    write(f"{name}.fish", fish(name, commands, options, keys))


if __name__ == "__main__":
    main()
