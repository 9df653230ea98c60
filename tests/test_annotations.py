"""What annotators wrote, in every form that the releases hold."""

import pytest

from features.facs import ActionUnit, action_units
from pipeline.annotations import (
    emotion,
    frame,
    frame_or_none,
    noted_units,
    objective_class,
)

AU = ActionUnit


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("7", 7),
        ("00012", 12),
        ("12.0", 12),
        ("12.4", 12),
        ("12.5", 13),
        ("360101.0", 360101),
    ],
)
def test_a_frame_is_a_number_and_fractions_are_rounded_half_up(text, number):
    assert frame(text, "onset") == number


@pytest.mark.parametrize(
    "text", ["", "/", "-3", "1e3", "1_0", "١٢", "#REF!", "12 ", "MISSING <-426679", "=A1", "nan"]
)
def test_what_is_no_frame_is_refused_by_name(text):
    with pytest.raises(ValueError, match="onset is '") as error:
        frame(text, "onset")
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("mark", ["", "/", "\\", "-", "?", "nan", "NaN", "None", "n/a"])
def test_a_mark_for_nothing_is_no_frame(mark):
    assert frame_or_none(mark, "apex") is None


def test_what_is_neither_a_frame_nor_a_mark_is_refused():
    assert frame_or_none("12", "apex") == 12
    with pytest.raises(ValueError, match="apex is 'soon'"):
        frame_or_none("soon", "apex")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Happiness", "happiness"),
        ("happy", "happiness"),
        (" Amusement ", "happiness"),
        ("sad", "sadness"),
        ("Other", "others"),
        ("Others", "others"),
        ("angry", "anger"),
        ("REPRESSION", "repression"),
        ("self  report", "self report"),
        ("", ""),
    ],
)
def test_an_emotion_has_one_name(text, name):
    assert emotion(text) == name


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("12", [AU(12)]),
        ("4+7+L10", [AU(4), AU(7), AU(10, "L")]),
        ("R4+R10", [AU(4, "R"), AU(10, "R")]),
        ("AU12", [AU(12)]),
        ("AUR2", [AU(2, "R")]),
        ("RAU2", [AU(2, "R")]),
        ("AD31+AD38", [AU(31), AU(38)]),
        ("M57", [AU(57, "M")]),
        ("T10+B25", [AU(10, "T"), AU(25, "B")]),
        ("A12B", [AU(12, "A", "B")]),
        ("4B+7E", [AU(4, "", "B"), AU(7, "", "E")]),
        ("l2+au4", [AU(2, "L"), AU(4)]),
        ("26+25", [AU(26), AU(25)]),  # the order written
        ("4+4", [AU(4), AU(4)]),
        ("4(k)+L7", [AU(4, static=True), AU(7, "L")]),
        ("AU4(k)+AU12", [AU(4, static=True), AU(12)]),
        ("13?", [AU(13, uncertain=True)]),
        ("4,7", [AU(4), AU(7)]),
        ("4，7", [AU(4), AU(7)]),
        ("4,7,", [AU(4), AU(7)]),
        ("4;7", [AU(4), AU(7)]),
        (" 4 + 7 ", [AU(4), AU(7)]),
        ("?", []),
        ("", []),
        ("/", []),
        ("4+?", [AU(4)]),
        ("R14+17+soft focus", [AU(14, "R"), AU(17)]),
        ("L12 + 61", [AU(12, "L"), AU(61)]),
        ("12+15 ", [AU(12), AU(15)]),
        ("(R6 or R12)+R15", [AU(6, "R", uncertain=True), AU(12, "R", uncertain=True), AU(15, "R")]),
        (
            "(R6 or R12) + R15",
            [AU(6, "R", uncertain=True), AU(12, "R", uncertain=True), AU(15, "R")],
        ),
        ("L12 or L14", [AU(12, "L", uncertain=True), AU(14, "L", uncertain=True)]),
        ("R12 or R14", [AU(12, "R", uncertain=True), AU(14, "R", uncertain=True)]),
        (
            "R14A or 17A or 24A",
            [
                AU(14, "R", "A", uncertain=True),
                AU(17, "", "A", uncertain=True),
                AU(24, "", "A", uncertain=True),
            ],
        ),
        ("ref(7B)+43", [AU(7, "", "B", referred=True), AU(43)]),
        ("ref(7B)+43C", [AU(7, "", "B", referred=True), AU(43, "", "C")]),
        ("7B+ ref(43)", [AU(7, "", "B"), AU(43, referred=True)]),
        ("ref(L10)+A12B", [AU(10, "L", referred=True), AU(12, "A", "B")]),
        ("12A+ref(24)", [AU(12, "", "A"), AU(24, referred=True)]),
        ("A9E+ref(10)", [AU(9, "A", "E"), AU(10, referred=True)]),
        ("ref(5)+20C+25+26", [AU(5, referred=True), AU(20, "", "C"), AU(25), AU(26)]),
        ("7D+ref(43)", [AU(7, "", "D"), AU(43, referred=True)]),
        (
            "4D+ref(6)+7C+43E",
            [AU(4, "", "D"), AU(6, referred=True), AU(7, "", "C"), AU(43, "", "E")],
        ),
        ("10A/B", [AU(10, "", "B")]),
        ("4A/B", [AU(4, "", "B")]),
        ("A/L12", [AU(12, "L")]),
    ],
)
def test_every_form_of_a_facs_string_is_understood(text, units):
    assert list(action_units(text)) == units


@pytest.mark.parametrize("text", ["smile", "123", "X4", "4F", "4-7", "ref()", "4+AU", "R12R14"])
def test_what_is_none_of_facs_is_refused(text):
    with pytest.raises(ValueError, match="is none of FACS"):
        action_units(text)


@pytest.mark.parametrize(
    ("text", "kept", "told"),
    [
        (" 4  +\n7 ", "4 + 7", ""),
        ("?", "", ""),
        ("4+smile", "4+smile", "action unit 'smile' is none of FACS"),
    ],
)
def test_a_manifest_keeps_the_string_as_written_and_what_is_wrong_with_it(text, kept, told):
    assert noted_units(text) == (kept, told)


@pytest.mark.parametrize(
    ("text", "name"),
    [("1", "I"), ("7", "VII"), ("iv", "IV"), (" VI ", "VI"), ("8", ""), ("0", ""), ("", "")],
)
def test_an_objective_class_is_a_roman_number(text, name):
    assert objective_class(text) == name
