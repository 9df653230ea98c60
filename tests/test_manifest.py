import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.console import MerError
from pipeline.manifest import (
    COLUMNS,
    HIGHEST_FPS,
    LAST_FRAME,
    MOST_FRAMES,
    BadRow,
    Sample,
    gather,
    midpoint,
    read_manifest,
    slug,
    write_manifest,
)

GOOD = Sample("a_1", "mine", "s1", "c1", "s1/c1", 1, 10, 15, 20, 200.0, "anger", "4+R12", "sheet")

TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/"), max_size=12
).map(str.strip)
NAME = TEXT.filter(bool)
PATH = NAME.filter(lambda name: name not in (".", "..") and not name.startswith("~"))


@st.composite
def samples(draw):
    onset = draw(st.integers(0, LAST_FRAME - 1))
    offset = draw(st.integers(onset + 1, min(onset + MOST_FRAMES - 1, LAST_FRAME)))
    return Sample(
        sample_id=draw(NAME),
        dataset=draw(NAME),
        subject=draw(NAME),
        clip=draw(NAME),
        path="/".join(draw(st.lists(PATH, min_size=1, max_size=3))),
        first_frame=draw(st.integers(0, LAST_FRAME)),
        onset=onset,
        apex=draw(st.integers(onset + 1, offset)),
        offset=offset,
        fps=draw(st.floats(0, HIGHEST_FPS, exclude_min=True)),
        emotion=draw(TEXT),
        action_units=draw(TEXT),
        apex_source=draw(st.sampled_from(["sheet", "patched", "estimated", "midpoint"])),
    )


@pytest.fixture
def read(tmp_path):
    """Reads a manifest of this text, whose name is mine.csv."""

    def read(text, encoding="utf-8"):
        path = tmp_path / "mine.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return read_manifest(path)

    return read


@given(st.lists(samples(), max_size=4, unique_by=lambda sample: sample.sample_id))
def test_what_is_written_is_read_back(tmp_path_factory, listed):
    path = tmp_path_factory.mktemp("manifest") / "m.csv"
    write_manifest(listed, path)
    manifest = read_manifest(path)
    assert manifest.bad == ()
    assert manifest.samples == tuple(sorted(listed, key=lambda sample: sample.sample_id))


def test_the_columns_are_the_contract():
    assert ",".join(COLUMNS) == (
        "sample_id,dataset,subject,clip,path,first_frame,onset,apex,offset,fps,emotion,"
        "action_units,objective_class,apex_source,missing_frames,note"
    )


def test_five_columns_suffice_and_the_rest_has_defaults(read):
    manifest = read("subject,path,onset,offset,fps\ns1,s1/c1,10,20,200\n")
    assert manifest.bad == ()
    assert manifest.samples == (
        Sample(
            sample_id="mine_s1_s1-c1_10",
            dataset="mine",
            subject="s1",
            clip="s1/c1",
            path="s1/c1",
            first_frame=1,
            onset=10,
            apex=15,
            offset=20,
            fps=200.0,
            apex_source="midpoint",
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "subject;path;onset;offset;fps\ns1;c1;10;20;29,97\n",
        "subject\tpath\tonset\toffset\tfps\ns1\tc1\t10\t20\t29.97\n",
        "\ufeffsubject,path,onset,offset,fps\r\ns1,c1,10,20,29.97\r\n",
        "Subject, path ,Onset,offset,FPS\n s1 ,c1, 10,20.0,29.97\n",
        'note,subject,path,onset,offset,fps\n"two\r\nlines",s1,c1,10,20,29.97\n',
        "subject,path,onset,offset,fps\n\n,,,,\ns1,c1,10,20,29.97,,\n",
    ],
    ids=["semicolon", "tab", "bom-crlf", "blanks-case", "newline-in-a-cell", "empty-rows"],
)
def test_what_spreadsheets_make_of_a_csv_is_read(read, text):
    manifest = read(text)
    assert manifest.bad == ()
    (sample,) = manifest.samples
    assert (sample.subject, sample.path, sample.onset, sample.offset) == ("s1", "c1", 10, 20)
    assert sample.fps == 29.97


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        ("s1,c1,ten,20,15,200", "onset is 'ten'"),
        ("s1,c1,10.5,20,15,200", "onset is '10.5'; expected a whole"),
        ("s1,c1,1_0,20,15,200", "onset is '1_0'"),
        ("s1,c1,,20,15,200", "onset is ''"),
        ("s1,c1,-1,20,15,200", "onset is -1"),
        ("s1,c1,10,1e12,15,200", "offset is 1000000000000"),
        ("s1,c1,10,20,/,200", "apex is '/'"),
        ("s1,c1,10,20,21,200", "apex 21 lies outside"),
        ("s1,c1,10,20,10,200", "apex 10 lies outside"),
        ("s1,c1,20,10,15,200", "onset 20 lies after offset 10"),
        ("s1,c1,10,10,10,200", "same frame"),
        ("s1,c1,10,10,,200", "same frame"),
        ("s1,c1,10,20,15,nan", "fps is nan"),
        ("s1,c1,10,20,15,0", "fps is 0"),
        ("s1,c1,10,20,15,inf", "fps is inf"),
        ("s1,c1,10,20,15,1e308", "fps is 1e\\+308"),
        ("s1,c1,10,2147483647,15,200", "more than 1000000 frames"),
        ("s1,c1,10,20,15,'200", "fps is"),
        (",c1,10,20,15,200", "subject is empty"),
        ("s1,,10,20,15,200", "not below the root"),
        ("s1,../c1,10,20,15,200", "not below the root"),
        ("s1,/c1,10,20,15,200", "not below the root"),
        ("s1,~/c1,10,20,15,200", "not below the root"),
        ('s1,"c\n1",10,20,15,200', "path .* control character"),
        ("s\x1b[2J1,c1,10,20,15,200", "subject .* control character"),
        ("s1,c1,10,20,15,200,12", "more cells than the header"),
    ],
)
def test_an_unusable_row_says_why_and_the_others_go_on(read, cells, word):
    manifest = read(
        f"subject,path,onset,offset,apex,fps\ns0,c0,1,9,5,25\n{cells}\ns2,c2,1,9,5,25\n"
    )
    assert [sample.subject for sample in manifest.samples] == ["s0", "s2"]
    (row,) = manifest.bad
    assert row.sample_id == "mine.csv row 3"
    assert re.search(word, row.reason), row.reason


def test_a_row_keeps_its_number_after_empty_ones(read):
    manifest = read("subject,path,onset,offset,fps\n\n\ns1,c1,10,x,200\n")
    assert manifest.bad == (BadRow("mine.csv row 4", "offset is 'x'; expected a number"),)


def test_a_name_that_stands_twice_is_used_by_neither_row(read):
    rows = ["same,s1,c1,1,9,25", "same,s2,c2,1,9,25", "other,s3,c3,1,9,25"]
    manifest = read("\n".join(["sample_id,subject,path,onset,offset,fps", *rows]))
    assert [sample.sample_id for sample in manifest.samples] == ["other"]
    assert manifest.bad == (BadRow("same", "sample_id stands in more than one row"),)


def test_no_control_character_of_a_row_reaches_the_terminal(read):
    manifest = read("sample_id,subject,path,onset,offset,fps\na\x1b]0;x\x07,s1,c1,1,9,25\n")
    (row,) = manifest.bad
    assert (row.sample_id + row.reason).isprintable()


@pytest.mark.parametrize(
    ("text", "cause", "remedy"),
    [
        ("subject,path\n", "no column onset, offset, fps", "the columns of a manifest are"),
        ("", "no column subject", "the columns of a manifest are"),
        ("subject,path,onset,offset,fps,path\n", "column path twice", "rename"),
        ('subject,path,onset,offset,fps\n"s1,c1,1,9,25\ns2,c2,1,9,25\n', "line 3", "quotes"),
        ("subject,path,onset,offset,fps\nMü,c1,1,9,25\n".encode("latin-1"), "UTF-8", "CSV UTF-8"),
    ],
    ids=["missing", "empty", "twice", "open-quote", "latin-1"],
)
def test_a_file_that_is_no_manifest_is_refused_with_a_remedy(read, text, cause, remedy):
    with pytest.raises(MerError, match=cause) as error:
        read(text)
    assert remedy in error.value.remedy


@pytest.mark.parametrize(
    ("own", "meant"),
    [
        ("emotoin", "emotion"),
        ("Emotions", "emotion"),
        ("Action Units", "action_units"),
        ("apex source", "apex_source"),
        ("missing-frames", "missing_frames"),
        ("dataset_", "dataset"),
    ],
)
def test_a_mistyped_column_is_refused_and_the_one_that_was_meant_named(read, own, meant):
    with pytest.raises(MerError, match=f"unknown column .*, did you mean {meant}\\?") as error:
        read(f"subject,path,onset,offset,fps,{own}\ns1,c1,1,9,25,x\n")
    assert f"rename it {meant}" in error.value.remedy


def test_columns_of_ones_own_are_left_alone(read):
    own = "emotion,emotion2,emotional,age,camera,subject_id,onset_ms,comment,valence"
    manifest = read(f"subject,path,onset,offset,fps,{own}\ns1,c1,1,9,25,joy,a,b,c,d,e,f,g,h\n")
    (sample,) = manifest.samples
    assert (sample.emotion, sample.note, manifest.bad) == ("joy", "", ())


def test_a_manifest_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MerError, match=r"nothing\.csv: no such manifest"):
        read_manifest(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"sample_id": " "}, "sample_id is empty"),
        ({"emotion": "anger "}, "emotion .* blank"),
        ({"path": "a\udc80"}, "path .* not UTF-8"),
        ({"path": "a/../b"}, "not below the root"),
        ({"path": "."}, "not below the root"),
        ({"path": ""}, "not below the root"),
        ({"clip": "a\0"}, "clip .* control"),
        ({"apex_source": "guess"}, "apex_source is 'guess'"),
        ({"first_frame": -1}, "first_frame is -1"),
    ],
)
def test_an_impossible_sample_cannot_be_made(change, word):
    with pytest.raises(ValueError, match=word):
        replace(GOOD, **change)


@pytest.mark.parametrize(
    ("onset", "offset", "apex"), [(10, 20, 15), (10, 21, 15), (10, 11, 11), (0, 2, 1)]
)
def test_the_midpoint_lies_after_the_onset(onset, offset, apex):
    assert midpoint(onset, offset) == apex


def test_a_folder_that_cannot_be_read_costs_one_row():
    def closed():
        raise PermissionError(13, "Permission denied", "s1/c1")

    manifest = gather([("a", closed), ("b", lambda: GOOD)])
    assert manifest.samples == (GOOD,)
    assert manifest.bad[0].sample_id == "a"
    assert "Permission denied" in manifest.bad[0].reason


def test_a_slug_is_safe_in_a_file_name():
    assert slug("Gül/clip 1\n(a).avi") == "Gül-clip-1-a-.avi"
