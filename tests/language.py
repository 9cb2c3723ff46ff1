"""Checks the language of the repository: words and phrases to avoid, which language.toml lists with better ones.

What older text still has is in language-backlog.txt, one line for each file and rule with the number of uses. More of
them is a fault. Fewer is a notice until ``nox -s lint -- language shrink`` writes the smaller numbers.

No prose linter does this. Vale's package on PyPI downloads the program from GitHub. textlint with the rule prh reads
such rules, but needs Node and 140 packages, and doesn't know comments and docstrings; nor do proselint, whose rules are
Python, and rumdl, whose forbidden terms are single words without a replacement. None of them has a backlog.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from prose import AREAS, Passage, list_files, read_passages

from drydock import ROOT, store
from drydock.errors import DrydockError, MalformedError, did_you_mean
from drydock.host import print_status

#: The rules, and the uses that are still in the text.
FILE, BACKLOG = Path("tests/language.toml"), Path("tests/language-backlog.txt")
#: The prose of these files is the words to avoid.
_OWN_FILES = {str(FILE), str(BACKLOG), "tests/test_language.py"}
_SENTENCE_START = r"(?:(?<=[.!?]\s)|(?<=\x01))"
_WORD = re.compile(r"[A-Za-z][\w'-]*")
_ENTRY = re.compile(r"(\S.*\S) (\S+) ([1-9][0-9]*)")


@dataclass(frozen=True)
class Rule:
    """Words to avoid.

    :ivar words: regular expressions; a space stands for any white space, and ``^`` for the start of a sentence.
    :ivar write: what to write instead.
    :ivar areas: where the rule applies, by default everywhere.
    """

    words: tuple[str, ...]
    write: str
    areas: tuple[str, ...] = AREAS

    def __post_init__(self) -> None:
        """Check the areas and the expressions."""
        if not self.words or not self.write or not set(self.areas) <= set(AREAS):
            raise ValueError(f"needs words, write, and areas out of {', '.join(AREAS)}")
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise ValueError(f"has a wrong regular expression: {error}") from None
        if groups:
            raise ValueError("has a group; write (?:...)")

    @property
    def pattern(self) -> str:
        """One expression for all words."""
        return "|".join(map(_word_pattern, self.words))


@dataclass(frozen=True)
class Exemption:
    """Uses that are right.

    :ivar rule: name of the rule.
    :ivar text: what stands there, as written, with words around the use if they matter.
    :ivar why: why it is right.
    :ivar file: the only file that it holds for, or "" for all.
    """

    rule: str
    text: str
    why: str
    file: str = ""

    def __post_init__(self) -> None:
        """Check that there is a reason."""
        if not self.text.strip() or not self.why.strip():
            raise ValueError("needs a text, and why it is right")


@dataclass(frozen=True)
class Language:
    """The content of language.toml.

    :ivar rules: name -> rule.
    :ivar allow: the uses that are right.
    """

    rules: dict[str, Rule]
    allow: tuple[Exemption, ...] = ()

    def __post_init__(self) -> None:
        """Check the names of rules."""
        for exemption in self.allow:
            if exemption.rule not in self.rules:
                raise ValueError(f"no rule {exemption.rule!r}{did_you_mean(exemption.rule, self.rules)}")

    @cached_property
    def patterns(self) -> dict[str, tuple[re.Pattern[str], list[str]]]:
        """For each area one expression with a group for each of its rules, and the names of these."""
        patterns = {}
        for area in AREAS:
            names = [name for name, rule in self.rules.items() if area in rule.areas]
            groups = "|".join(f"({self.rules[name].pattern})" for name in names) or r"(?!)"
            # It is tried at the start of words only, which saves most of the time.
            patterns[area] = re.compile(rf"(?<!\w)(?=\w)(?:{groups})(?!\w)", re.IGNORECASE), names
        return patterns


class Use(NamedTuple):
    """A use of a word to avoid: the rule's name, file, 1-based line, and the word as written, on one line."""

    rule: str
    file: str
    line: int
    text: str


@dataclass
class Findings:
    """What the files of a repository have.

    :ivar uses: all uses, by file and line.
    :ivar words: area -> number of words.
    :ivar hits: area -> number of uses.
    :ivar needed: the exemptions that a use needed.
    """

    uses: list[Use] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    needed: set[Exemption] = field(default_factory=set)

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """(file, rule) -> number of uses."""
        return Counter((use.file, use.rule) for use in self.uses)


def _word_pattern(words: str) -> str:
    """Return an expression for whole words, which heeds capital letters if it has one."""
    start, words = (_SENTENCE_START, words[1:]) if words.startswith("^") else ("", words)
    words = words.replace(" ", r"\s+")
    heeds_case = re.search("[A-Z]", re.sub(r"\\.|\[[^]]*\]", "", words))
    return rf"{start}(?{'-i' if heeds_case else ''}:{words})"


def load_language(top: Path = ROOT) -> Language:
    """Return the rules of the repository `top`.

    :raises MalformedError: the file can't be read, or a rule or exemption is malformed; the message names it.
    """
    return store.load_toml(Language, top / FILE, FILE)


def find_uses(language: Language, top: Path = ROOT, names: Iterable[str] | None = None) -> Findings:
    """Return the uses in the files of the repository `top`.

    :param names: the only files to read, relative to `top`.
    """
    findings = Findings()
    for name in list_files(top) if names is None else names:
        if name in _OWN_FILES:
            continue
        try:
            text = (top / name).read_bytes().decode()
        except UnicodeDecodeError:
            continue  # an image, or a file that is wrong on purpose
        for passage in read_passages(name, text):
            findings.words[passage.area] += len(_WORD.findall(passage.text))
            _add_uses(findings, language, name, passage)
    findings.uses.sort(key=lambda use: (use.file, use.line))
    return findings


def _add_uses(findings: Findings, language: Language, name: str, passage: Passage) -> None:
    pattern, rules = language.patterns[passage.area]
    text = "\x01" + passage.text.lstrip(" ")
    for match in pattern.finditer(text):
        assert match.lastindex
        rule = rules[match.lastindex - 1]
        exemption = next((entry for entry in language.allow if _is_exempt(entry, rule, name, match)), None)
        if exemption:
            findings.needed.add(exemption)
            continue
        line = passage.line + text.count("\n", 0, match.start())
        findings.uses.append(Use(rule, name, line, " ".join(match[0].split())))
        findings.hits[passage.area] += 1


def _is_exempt(exemption: Exemption, rule: str, name: str, match: re.Match[str]) -> bool:
    if exemption.rule != rule or exemption.file not in ("", name):
        return False
    written = r"\s+".join(map(re.escape, exemption.text.split()))
    return any(
        around.start() <= match.start() and match.end() <= around.end() for around in re.finditer(written, match.string)
    )


def read_backlog(language: Language, top: Path = ROOT) -> dict[tuple[str, str], int]:
    """Return the uses that are still accepted: (file, rule) -> number.

    Git keeps both lines when two branches change one (``merge=union``), and the smaller number holds.

    :raises MalformedError: a line is malformed, or there is no such rule.
    """
    backlog: dict[tuple[str, str], int] = {}
    lines = store.read_text(top / BACKLOG, BACKLOG).splitlines() if (top / BACKLOG).exists() else []
    for number, line in enumerate(lines, start=1):
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            raise MalformedError(BACKLOG, number, f"{line!r} isn't a file, a rule, and a number")
        name, rule, count = entry.groups()
        if rule not in language.rules:
            raise MalformedError(BACKLOG, number, f"no rule {rule!r}{did_you_mean(rule, language.rules)}")
        backlog[name, rule] = min(int(count), backlog.get((name, rule), int(count)))
    return backlog


def _write_backlog(backlog: dict[tuple[str, str], int], top: Path) -> None:
    lines = [f"{name} {rule} {count}\n" for (name, rule), count in sorted(backlog.items()) if count]
    (top / BACKLOG).write_text("".join(lines), encoding="utf-8")


def shrink_backlog(language: Language, findings: Findings, top: Path = ROOT) -> int:
    """Lower the numbers of the backlog to what is left. None is raised. Return by how many uses it got smaller."""
    before = read_backlog(language, top)
    after = {key: min(count, findings.counts[key]) for key, count in before.items()}
    _write_backlog(after, top)
    return sum(before.values()) - sum(after.values())


def adopt_rules(rules: Sequence[str], language: Language, findings: Findings, top: Path = ROOT) -> None:
    """Write all uses of these rules into the backlog, for rules that are new or find more than before."""
    backlog = {key: count for key, count in read_backlog(language, top).items() if key[1] not in rules}
    _write_backlog(backlog | {key: count for key, count in findings.counts.items() if key[1] in rules}, top)


def find_faults(language: Language, findings: Findings, top: Path = ROOT) -> Iterator[str]:
    """Yield a message for each use in a file that has more uses of this rule than the backlog."""
    backlog, counts = read_backlog(language, top), findings.counts
    for use in findings.uses:
        accepted, count = backlog.get((use.file, use.rule), 0), counts[use.file, use.rule]
        if count > accepted:
            numbers = f"; {count} in this file, {accepted} in {BACKLOG}" if accepted else ""
            yield _describe_use(use, language, numbers)


def _describe_use(use: Use, language: Language, numbers: str = "") -> str:
    return f"{use.file}:{use.line}: {use.text!r}: write {language.rules[use.rule].write} (rule {use.rule}{numbers})"


def find_leftovers(language: Language, findings: Findings, top: Path = ROOT) -> Iterator[str]:
    """Yield what the text no longer needs: numbers of the backlog, in one message, and exemptions."""
    counts = findings.counts
    high = [(key, count) for key, count in read_backlog(language, top).items() if count > counts[key]]
    for (name, rule), count in high[:1]:
        first = f"{name} {rule} {count}, of which {counts[name, rule]} are left"
        yield f"{BACKLOG}: {len(high)} numbers are too high, such as {first}; run: nox -s lint -- language shrink"
    for exemption in language.allow:
        if exemption not in findings.needed:
            yield f"{FILE}: nothing needs the exemption of {exemption.text!r} from {exemption.rule}; remove it"


def summarize(findings: Findings) -> list[str]:
    """Return the lines of a table: for each area the words, the uses, and the uses per 1,000 words."""
    lines = [f"{'':20}{'words':>8}{'uses':>7}{'per 1,000 words':>18}"]
    for area in AREAS:
        uses, words = findings.hits[area], findings.words[area]
        lines.append(f"{area:20}{words:8,}{uses:7,}{1000 * uses / max(words, 1):18.1f}")
    return lines


def main(arguments: Sequence[str], top: Path = ROOT) -> int:
    """Run a command on the repository `top`, and return the exit status.

    :param arguments: ``check``, and ``--weekly`` to fail for leftovers too; ``shrink``; ``adopt RULE``; files or
        folders, to list the uses in them; or nothing, for the table and the rules.
    """
    command, *rest = arguments or [""]
    try:
        language = load_language(top)
        if command not in ("", "check", "shrink", "adopt"):
            for use in find_uses(language, top, _pick_files(arguments, list_files(top))).uses:
                print(_describe_use(use, language))
            return 0
        findings = find_uses(language, top)
        if command == "check":
            return _check(language, findings, top, weekly="--weekly" in rest)
        if command == "shrink":
            print(f"{BACKLOG}: smaller by {shrink_backlog(language, findings, top)}")
        elif command == "adopt":
            for rule in rest:
                _reject_unknown(rule, language.rules, "rule")
            adopt_rules(rest, language, findings, top)
        totals = Counter(use.rule for use in findings.uses)
        print(*summarize(findings), *(f"{count:5} {rule}" for rule, count in totals.most_common()), sep="\n")
    except DrydockError as error:
        print_status(str(error))
        return 1
    return 0


def _pick_files(names: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return those of the files that have one of the names, or are in a folder with it."""
    picked: list[str] = []
    for name in names:
        path = name.rstrip("/")
        below = [file for file in files if file == path or file.startswith(f"{path}/")]
        if not below:
            _reject_unknown(name, files, "file")
        picked += below
    return picked


def _reject_unknown(name: str, names: Iterable[str], kind: str) -> None:
    names = list(names)
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=1)
        raise DrydockError(f"no {kind} {name!r}; {f'did you mean {nearest[0]}?' if nearest else 'check the spelling'}")


def _check(language: Language, findings: Findings, top: Path, *, weekly: bool) -> int:
    faults, leftovers = list(find_faults(language, findings, top)), list(find_leftovers(language, findings, top))
    for line in [*faults, *(leftover if weekly else f"notice: {leftover}" for leftover in leftovers)]:
        print_status(line)
    if faults:
        print_status("what these rules are, and how to exempt a word that is right: CONTRIBUTING.md, 'Check the words'")
    rates = (f"{area} {1000 * findings.hits[area] / max(findings.words[area], 1):.1f}" for area in AREAS)
    print_status(f"words to avoid per 1,000 words: {', '.join(rates)}")
    return 1 if faults or (weekly and leftovers) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
