import os
import time

import pytest

from pipeline.listing import folders, frame_number, frames, inside


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("img46.jpg", 46),
        ("006_05562.jpg", 5562),
        ("006_1_00012.jpg", 12),
        ("EP03_1-079.jpg", 79),
        ("reg_EP12_2_10-017.jpg", 17),
        ("image034208.bmp", 34208),
        ("xxx 07712.jpg", 7712),
        ("img2977.jpg.jpg", 2977),
        ("355.jpg", 355),
        ("img3.v2.png", 3),
        ("cover.png", None),
        (".12.png", None),
    ],
)
def test_the_number_is_the_last_run_of_digits_before_the_first_dot(name, number):
    assert frame_number(name) == number


def test_frames_come_in_numeric_order(tmp_path):
    touch(tmp_path, "img10.jpg", "img9.jpg", "img100.jpg")
    found = frames(tmp_path)
    assert list(found) == [9, 10, 100]
    assert found[9] == tmp_path / "img9.jpg"


def test_any_case_of_the_four_suffixes_is_an_image(tmp_path):
    touch(tmp_path, "1.JPG", "2.jpeg", "3.Bmp", "4.png", "5.gif", "6.txt", "7.avi")
    assert list(frames(tmp_path)) == [1, 2, 3, 4]


def test_junk_and_folders_and_images_without_a_number_are_no_frames(tmp_path):
    touch(tmp_path, ".DS_Store", "._img1.jpg", "~$2.png", "Thumbs.db", "desktop.ini", "cover.png")
    (tmp_path / "3.jpg").mkdir()
    assert frames(tmp_path) == {}


def test_two_images_with_one_number_are_refused_by_name(tmp_path):
    touch(tmp_path, "img007.jpg", "img7.png")
    with pytest.raises(ValueError, match=r"number 7: img007\.jpg and img7\.png"):
        frames(tmp_path)


def test_an_image_that_links_out_of_the_folder_is_refused(tmp_path):
    secret = touch(tmp_path / "other", "1.jpg") / "1.jpg"
    clip = touch(tmp_path / "clip", "2.jpg")
    (clip / "3.jpg").symlink_to(clip / "2.jpg")
    assert list(frames(clip)) == [2, 3]
    (clip / "1.jpg").symlink_to(secret)
    with pytest.raises(ValueError, match="leaves the root"):
        frames(clip)
    assert list(frames(clip, root=tmp_path)) == [1, 2, 3]


def test_eighteen_thousand_frames_list_within_a_second(tmp_path):
    for clip in range(180):
        touch(tmp_path / str(clip), *(f"img{n}.jpg" for n in range(100)))
    start = time.process_time()
    found = sum(len(frames(tmp_path / str(clip))) for clip in range(180))
    assert found == 18_000
    assert time.process_time() - start < 1


def test_a_path_below_the_root_is_resolved(tmp_path):
    touch(tmp_path / "s1", "a.avi")
    assert inside(tmp_path, "s1/a.avi") == (tmp_path / "s1/a.avi").resolve()
    assert inside(tmp_path, "not/there") == tmp_path.resolve() / "not/there"


def test_the_root_itself_may_be_a_link(tmp_path):
    touch(tmp_path / "disk/s1")
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    assert inside(tmp_path / "root", "s1") == (tmp_path / "disk/s1").resolve()


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/etc/passwd", "absolute"),
        ("~/secret", "absolute"),
        ("../other", "climbs"),
        ("s1/../../other", "climbs"),
        ("s1/\0", "NUL"),
        ("out", "link"),
        ("out/deeper", "link"),
    ],
)
def test_a_path_that_leaves_the_root_is_refused(tmp_path, path, word):
    root = touch(tmp_path / "root")
    touch(tmp_path / "root-beside")  # shares the prefix of the root's name
    (root / "out").symlink_to(tmp_path / "root-beside")
    with pytest.raises(ValueError, match=word):
        inside(root, path)


def test_folders_are_walked_in_order_without_junk_and_without_following_links(tmp_path):
    touch(tmp_path / "b", "2.jpg", "1.jpg", ".hidden")
    touch(tmp_path / "a/deep", "x.avi")
    touch(tmp_path / "__MACOSX/a", "1.jpg")
    touch(tmp_path / "b/@eaDir", "1.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    errors = []
    assert list(folders(tmp_path, errors.append)) == [
        (".", [], ["loop"]),
        ("a", [], []),
        ("a/deep", ["x.avi"], []),
        ("b", ["1.jpg", "2.jpg"], []),
    ]
    assert errors == []


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    touch(tmp_path / "closed")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything
    errors = []
    list(folders(tmp_path, errors.append))
    assert [type(error) for error in errors] == [PermissionError]
