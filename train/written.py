"""A table of words in the formats that papers and programs take."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "×": r"$\times$", **{c: "\\" + c for c in "&%$#_{}"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A table in words.

    Parameters
    ----------
    title : one line
    columns, rows : as many cells as columns in each row
    notes : cited in cells as [1], [2], …
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def numbered(self) -> list[str]:
        """Notes with their numbers."""
        return [f"[{i}] {note}" for i, note in enumerate(self.notes, start=1)]


def markdown(table: Written) -> str:
    """A table with a line of bars, notes below."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    rule = ["---"] * len(table.columns)
    lines = [f"**{table.title}**", "", *map(line, [table.columns, rule, *table.rows])]
    notes = [f"{note}  " for note in table.numbered()]  # two spaces end a line there
    return "\n".join([*lines, "", *notes] if notes else lines)


def comma_separated(table: Written) -> str:
    """A header, the rows, and in a last column the notes that a row cites."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.columns, "source"])
    for row in table.rows:
        cited = [note for note in table.numbered() if any(note.split()[0] in c for c in row)]
        writer.writerow([*row, " ".join(cited)])
    return text.getvalue().removesuffix("\n")


def latex(table: Written) -> str:
    """A tabular with plain rules, notes below."""
    special = re.compile("|".join(map(re.escape, LATEX)))

    def escaped(cell: str) -> str:
        # braces: after a line's \\ a [ would be read as a length
        return "{" + special.sub(lambda found: LATEX[found[0]], cell) + "}"

    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(escaped, cells)) + r" \\"

    return "\n".join(
        [
            f"% {table.title}",
            rf"\begin{{tabular}}{{{'l' * 3}{'r' * (len(table.columns) - 3)}}}",
            r"\hline",
            line(table.columns),
            r"\hline",
            *map(line, table.rows),
            r"\hline",
            r"\end{tabular}",
            *(rf"\par {escaped(note)}" for note in table.numbered()),
        ]
    )


FORMATS = {"md": markdown, "csv": comma_separated, "latex": latex}
