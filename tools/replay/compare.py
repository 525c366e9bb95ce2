"""Compare two recordings; print each difference and the number of requests without one.

    python -m tools.replay.compare before.jsonl after.jsonl --allow renames.json

A file of renames is a list such as [{"old": "text_empty", "new": "text_blank"}]. They are applied in order to the old
recording before it is compared. The exit status is 0 if every request was answered identically.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from tools.replay.client import Json
from tools.replay.normalise import Normalizer, Rename

_SHOWN = 160
_MAX_LINES = 12


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, help="the recording of the old checkout")
    parser.add_argument("new", type=Path, help="the recording of the new checkout")
    parser.add_argument("--allow", type=Path, metavar="FILE", help="renames to apply to the old recording, as JSON")
    parser.add_argument("--ignore-messages", action="store_true", help="ignore messages and descriptions for people")
    options = parser.parse_args(given)
    renames = [(each["old"], each["new"]) for each in json.loads(options.allow.read_text())] if options.allow else []
    old = _read(options.old, renames=renames, messages=not options.ignore_messages)
    new = _read(options.new, renames=[], messages=not options.ignore_messages)
    names = list(dict.fromkeys([*old, *new]))
    same = 0
    for name in names:
        found = list(_differences(old.get(name), new.get(name)))
        same += not found
        for line in found[:_MAX_LINES]:
            print(f"{name}: {line}")
        if len(found) > _MAX_LINES:
            print(f"{name}: and {len(found) - _MAX_LINES} more differences")
    print(f"{same} of {len(names)} requests answered identically")
    return 0 if same == len(names) else 1


def _read(path: Path, *, renames: Sequence[Rename], messages: bool) -> dict[str, Json]:
    normalizer = Normalizer(renames=renames, messages=messages)
    with path.open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return {f"{line['server']} | {line['name']}": normalizer.normalise(line) for line in lines}


def _differences(old: Json | None, new: Json | None) -> Iterator[str]:
    """Yield a line for each difference."""
    if old is None or new is None:
        yield f"asked only in the {'new' if old is None else 'old'} recording"
        return
    if old["sent"] != new["sent"]:
        yield "not the same bytes were sent"
    if old["end"] != new["end"]:
        yield f"the connection was {old['end']} → {new['end']}"
    if len(old["answers"]) != len(new["answers"]):
        yield f"{len(old['answers'])} → {len(new['answers'])} answers"
    for number, (before, after) in enumerate(zip(old["answers"], new["answers"], strict=False), 1):
        place = f"answer {number}, " if len(old["answers"]) > 1 else ""
        if before["status"] != after["status"]:
            yield f"{place}{before['status']} → {after['status']}"
        yield from _headers(before["headers"], after["headers"], place)
        yield from _texts(before["body"], after["body"], f"{place}body")
    yield from _texts(old["rest"], new["rest"], "rest")


def _headers(old: list[tuple[str, str]], new: list[tuple[str, str]], place: str) -> Iterator[str]:
    for name in sorted({name for name, _ in [*old, *new]}):
        before, after = ([value for found, value in each if found == name] for each in (old, new))
        if before != after:
            yield f"{place}header {name}: {_shown(', '.join(before))} → {_shown(', '.join(after))}"


def _texts(old: str, new: str, place: str) -> Iterator[str]:
    if old == new:
        return
    try:
        before, after = json.loads(old), json.loads(new)
    except (ValueError, RecursionError):
        yield from _lines(old, new, place)
        return
    found = list(_members(before, after, place))
    yield from found or [f"{place}: the same members in another form or order"]


def _lines(old: str, new: str, place: str) -> Iterator[str]:
    before, after = old.split("\n"), new.split("\n")
    for kind, start, end, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            one, other = "⏎".join(before[start:end]), "⏎".join(after[first:last])
            same = max(
                0, next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0) - 20
            )
            yield f"{place}, line {start + 1}: {_shown(one[same:])} → {_shown(other[same:])}"


def _members(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            if name not in old or name not in new:
                yield f"{place}.{name}: only in the {'new' if name in new else 'old'}"
            else:
                yield from _members(old[name], new[name], f"{place}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _members(before, after, f"{place}[{index}]")
    elif old != new or type(old) is not type(new):
        yield f"{place}: {_shown(json.dumps(old, ensure_ascii=False))} → {_shown(json.dumps(new, ensure_ascii=False))}"


def _shown(text: str) -> str:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return shown.encode("utf-8", "backslashreplace").decode() or "nothing"


if __name__ == "__main__":
    sys.exit(main())
