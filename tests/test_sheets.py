"""Sheets as people save them, and as nobody should."""

import os
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from features.console import MerError
from pipeline import sheets
from pipeline.sheets import find, headed, read, tables
from tests.releases import workbook

HEADINGS = {"subject": ("Subject", "sub_ID"), "onset": ("OnsetF", "Onset"), "au": ("AU", "AUs")}
HEAD = ["Subject", "Onset", "AU"]


def found(root, optional=()):
    return find(root, sorted(os.listdir(root)), HEADINGS, "the remedy", optional)


def cells(sheet):
    return [tuple(row.values()) for _, row in sheet.rows]


def test_a_sheet_is_known_by_its_columns_and_not_by_its_name(tmp_path):
    workbook(tmp_path / "z.xlsx", {"About": [["Subject", "of this file"]], "x": [HEAD, ["01", 7]]})
    workbook(tmp_path / "codes.xlsx", {"Sheet1": [["Subject", "Name"], ["01", "A"]]})
    sheet = found(tmp_path)
    assert (sheet.file, sheet.title, cells(sheet)) == ("z.xlsx", "x", [("01", "7", "")])


@pytest.mark.parametrize(
    "head",
    [
        ["Subject", "Onset", "AU"],
        [" SUBJECT ", "on_set", "A U"],
        ["sub_ID'", "Onset’", "AUs"],
        ["", "Subject", None, "Onset", "", "AU"],
        ["AU", "Onset", "Subject"],
    ],
)
def test_blanks_case_apostrophes_empty_columns_and_order_do_not_count(tmp_path, head):
    told = {"s": "01", "o": 7, "a": "4+7"}
    row = [told.get(str(title).strip().lower()[:1]) if title else None for title in head]
    workbook(tmp_path / "s.xlsx", {"S": [head, row]})
    assert cells(found(tmp_path)) == [("01", "7", "4+7")]


def test_of_two_columns_the_one_named_first_is_taken(tmp_path):
    workbook(tmp_path / "s.xlsx", {"S": [["Subject", "Onset", "OnsetF", "AU"], ["1", 99, 7, 4]]})
    assert cells(found(tmp_path)) == [("1", "7", "4")]


@pytest.mark.parametrize("before", [0, 1, 13, 19])
def test_the_header_may_follow_a_preamble_of_up_to_19_rows(tmp_path, before):
    rows = [*([["cite us"]] * before), HEAD, ["01", 7, 4], [], ["02", 8, 4]]
    workbook(tmp_path / "s.xlsx", {"S": rows})
    # Rows have the numbers that a spreadsheet shows; blank ones are left out.
    assert [number for number, _ in found(tmp_path).rows] == [before + 2, before + 4]


def test_a_header_further_down_is_not_looked_for(tmp_path):
    workbook(tmp_path / "s.xlsx", {"S": [*([["cite us"]] * 20), HEAD, ["01", 7, 4]]})
    with pytest.raises(MerError, match="no sheet with the columns Subject, OnsetF, AU"):
        found(tmp_path)


def test_a_column_that_may_be_missing_is_blank(tmp_path):
    workbook(tmp_path / "s.xlsx", {"S": [["Subject", "Onset"], ["01", 7]]})
    assert cells(found(tmp_path, optional=("au",))) == [("01", "7", "")]
    with pytest.raises(MerError, match="no sheet") as error:
        found(tmp_path)
    assert error.value.remedy == "the remedy"


def test_cells_are_what_a_person_reads(tmp_path):
    rows = [HEAD, ["006", 12.0, 12], [6, 12.5, " 4+7 "], ["1E5", None, True]]
    workbook(tmp_path / "s.xlsx", {"S": rows})
    assert cells(found(tmp_path)) == [
        ("006", "12", "12"),
        ("6", "12.5", "4+7"),
        ("1E5", "", "True"),
    ]


def test_a_formula_whose_value_was_not_saved_is_blank(tmp_path):
    workbook(tmp_path / "s.xlsx", {"S": [HEAD, ["01", "=SUM(A1:A2)+1", 4]]})
    assert cells(found(tmp_path)) == [("01", "", "4")]


def test_sheets_that_say_the_same_are_no_matter_and_two_that_differ_are(tmp_path):
    workbook(tmp_path / "a.xlsx", {"S": [HEAD, ["01", 7, 4]]})
    workbook(tmp_path / "b.xlsx", {"T": [["cite us"], ["AU", "Onset", "Subject"], [4, 7, "01"]]})
    assert found(tmp_path).file == "a.xlsx"
    workbook(tmp_path / "b.xlsx", {"T": [HEAD, ["01", 8, 4]]})
    with pytest.raises(MerError, match=r"differ: a\.xlsx \[S\] and b\.xlsx \[T\]"):
        found(tmp_path)


def test_a_message_names_a_row_by_file_number_and_key(tmp_path):
    workbook(tmp_path / "s.xlsx", {"S": [HEAD, ["01", 7, 4]]})
    sheet = found(tmp_path)
    assert sheet.name(*sheet.rows[0], "subject", "onset") == "s.xlsx row 2 (01 7)"


def test_empty_sheets_and_short_rows_do_no_harm(tmp_path):
    workbook(tmp_path / "s.xlsx", {"Empty": [], "S": [HEAD, ["01"]], "Scratch": [[None, 3]]})
    assert cells(found(tmp_path)) == [("01", "", "")]
    assert headed(sheets.Table("s", "t", ()), HEADINGS) is None


def write_xls(path, rows):
    """Write the oldest .xls there is: one record a cell, no container around them."""
    records = [struct.pack("<HHHH", 0x0009, 4, 2, 0x0010)]  # a worksheet begins
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if isinstance(cell, str):
                text = cell.encode("ascii")
                data = struct.pack("<HH3xB", y, x, len(text)) + text
                records.append(struct.pack("<HH", 0x0004, len(data)) + data)
            else:
                records.append(struct.pack("<HHHH3xd", 0x0003, 15, y, x, cell))
    path.write_bytes(b"".join([*records, struct.pack("<HH", 0x000A, 0)]))


def test_an_xls_is_read_too(tmp_path):
    write_xls(tmp_path / "s.xls", [["cite us"], HEAD, ["01", 7, "4+7"], ["02", 7.5, 12]])
    sheet = found(tmp_path)
    assert [number for number, _ in sheet.rows] == [3, 4]
    assert cells(sheet) == [("01", "7", "4+7"), ("02", "7.5", "12")]


@pytest.mark.parametrize("name", ["a.xlsx", "a.xlsm", "a.xls", "a.XLSX"])
@pytest.mark.parametrize("content", [b"", b"Subject,Onset,AU\n", b"PK\x03\x04", bytes(600)])
def test_what_is_no_workbook_is_refused_and_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    listed, (refused,) = tables(tmp_path, [name])
    assert listed == []
    assert refused.startswith(f"{name}: ")
    with pytest.raises(MerError, match=rf"no sheet with .*; {name}: "):
        found(tmp_path)


def test_a_zip_that_is_no_workbook_and_other_files_are_no_sheets(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as packed:
        packed.writestr("readme.txt", "nothing")
    (tmp_path / "labels.csv").write_text("Subject,Onset,AU\n01,7,4\n")
    listed, refused = tables(tmp_path, ["a.xlsx", "labels.csv"])
    assert listed == []
    assert len(refused) == 1


def test_a_folder_a_pipe_and_a_link_out_of_the_root_are_no_workbooks(tmp_path):
    workbook(tmp_path / "outside.xlsx", {"S": [HEAD, ["01", 7, 4]]})
    root = tmp_path / "root"
    (root / "folder.xlsx").mkdir(parents=True)
    os.mkfifo(root / "pipe.xlsx")
    (root / "link.xlsx").symlink_to(tmp_path / "outside.xlsx")
    listed, refused = tables(root, ["folder.xlsx", "link.xlsx", "pipe.xlsx", "gone.xlsx"])
    assert listed == []
    reasons = ("not a regular file", "leaves the root", "not a regular file", "No such file")
    assert all(why in told for why, told in zip(reasons, refused, strict=True))


def repacked(path, changes):
    """Write a workbook with some of its members replaced."""
    workbook(path, {"S": [HEAD, ["01", 7, 4], ["02", 8, 4]]})
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    for name, change in changes.items():
        members[name] = change(members[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize("stated", [b"A1:A1", b"A1:C1048576", b""])
def test_the_size_that_a_sheet_states_is_not_believed(tmp_path, stated):
    def lie(xml):
        old = b'<dimension ref="A1:C3" />'
        assert old in xml
        return xml.replace(old, b'<dimension ref="%s" />' % stated if stated else b"")

    repacked(tmp_path / "s.xlsx", {SHEET: lie})
    assert cells(found(tmp_path)) == [("01", "7", "4"), ("02", "8", "4")]


def peak(path):
    """Seconds and MiB that a fresh process needs to refuse a workbook, and what it says."""
    code = (
        "import resource, sys, time\nfrom pathlib import Path\nimport openpyxl\n"
        "from pipeline.sheets import read\n"
        "size = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "before, start = size(), time.monotonic()\n"
        "try: read(Path(sys.argv[1]), 's')\n"
        "except ValueError as error: print(error)\n"
        "print(time.monotonic() - start, size() - before)\n"
    )
    here = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, path], cwd=here, capture_output=True, text=True, check=True
    )
    said, numbers = done.stdout.splitlines()
    return said, *map(float, numbers.split())


def test_a_zip_bomb_is_refused_at_once_and_in_little_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "s.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for k in range(9):
            packed.writestr(f"xl/worksheets/sheet{k}.xml", bytes(100 * 2**20))
    said, seconds, mib = peak(tmp_path / "s.xlsx")
    assert said == "unpacks to 900 MiB; refused above 64"
    assert seconds < 2
    assert mib < 100


@pytest.mark.parametrize("mark", [b"<c/>", b"<row/>", b'<c r=""/>'])
def test_millions_of_tiny_tags_are_refused_at_once_and_in_little_memory(tmp_path, mark):
    def many(xml):
        return xml.replace(b"</sheetData>", b"<row>" + mark * 5_000_000 + b"</row></sheetData>")

    said, seconds, mib = peak(repacked(tmp_path / "s.xlsx", {SHEET: many}))
    assert said == "has more than 2000000 cells and marks; refused"
    assert seconds < 2
    assert mib < 100


def test_a_member_that_lies_about_its_size_does_not_get_past(tmp_path, monkeypatch):
    path = repacked(tmp_path / "s.xlsx", {SHEET: lambda xml: xml + b" " * (65 * 2**20)})
    data = path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        true = struct.pack("<I", packed.getinfo(SHEET).file_size)
    path.write_bytes(data.replace(true, struct.pack("<I", 1000)))
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *_, **__: pytest.fail("was parsed"))
    with pytest.raises(ValueError, match="not an Excel workbook"):
        read(path, "s")


def test_more_than_20000_rows_are_refused_in_little_memory(tmp_path):
    book = openpyxl.Workbook(write_only=True)
    worksheet = book.create_sheet("S")
    worksheet.append(HEAD)
    for k in range(20_000):
        worksheet.append([f"{k}"])
    book.save(tmp_path / "s.xlsx")
    said, seconds, mib = peak(tmp_path / "s.xlsx")
    assert said == "sheet S has more than 20000 rows; refused"
    assert seconds < 10  # they are read until one is too many
    assert mib < 200


def test_columns_beyond_the_128th_are_not_read(tmp_path):
    wide = [*([None] * 128), "AU"]
    workbook(tmp_path / "s.xlsx", {"S": [["Subject", "Onset", *wide], ["01", 7]]})
    start = time.monotonic()
    with pytest.raises(MerError, match="no sheet"):
        found(tmp_path)
    assert time.monotonic() - start < 2


def test_a_file_larger_than_any_sheet_is_not_opened(tmp_path):
    with (tmp_path / "s.xls").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(ValueError, match="has 65 MiB; refused above 64"):
        read(tmp_path / "s.xls", "s.xls")
