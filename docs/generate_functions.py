"""Writes docs/functions.md from the registry of functions: python docs/generate_functions.py"""

from pathlib import Path

from gristmill import _engine

TITLES = {"arithmetic": "Arithmetic", "bits": "Bits and hashes", "comparison": "Comparison", "json": "JSON", "list": "Lists", "logic": "Logic and choice",
          "map": "Maps", "math": "Mathematics", "regex": "Regular expressions", "struct": "Structs", "temporal": "Dates and times", "text": "Text"}
FAMILIES = {"string": "text", "string_search": "text"}


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def page() -> str:
    lines = ["# Functions", "", "Made from the registry by `docs/generate_functions.py`; the examples are tests. Unless a line says otherwise, a NULL argument",
             "gives NULL. In Python functions are methods (`lit('ab').str.upper()`) or `call(name, ...)`; `col('t')` is the timestamp",
             "2024-02-29 12:30:15.25. Names beginning with `sql_` are what SQL's functions of that name mean; SQL's other names are in `docs/sql.md`.", ""]
    families: dict[str, list[dict[str, str]]] = {}
    for f in _engine.functions():
        families.setdefault(FAMILIES.get(f["family"], f["family"]), []).append(f)
    for family, functions in sorted(families.items(), key=lambda item: TITLES[item[0]]):
        lines += [f"## {TITLES[family]}", "", "| Function | Result | Example |", "| --- | --- | --- |"]
        for f in functions:
            lines.append(f"| `{f['name']}` | {cell(f['summary'])} | `{cell(f['example'])}` |")
        lines.append("")
    lines += ["## Aggregates", "", "In `select()` of a whole frame or `group_by().agg()`; NULL values do not count unless a line says otherwise. After any of them",
              "`.filter(predicate)` keeps some rows, `.distinct()` drops repeated values, and `.order_by(keys)` sorts the rows for those that see an order.",
              "What keeps values (lists, distinct values, exact quantiles) goes to disk under a memory limit as groups do; one group's values must fit in",
              "memory when it leaves. The examples are over `x` = 3, 1, NULL, 3; `y` = 1, 2, 3, 4; `s` = 'a', NULL, 'b', 'a'.", "",
              "| Aggregate | Result | Example |", "| --- | --- | --- |"]
    for a in _engine.aggregates():
        lines.append(f"| `{a['name']}` | {cell(a['summary'])} | `{cell(a['example'])}` |")
    lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    Path(__file__).with_name("functions.md").write_text(page())
