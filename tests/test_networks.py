"""The table of all networks, on a tiny store."""

from docs import networks
from tests.tiny_store import arrays, tiny_store
from train.models.base import load, names

LARGE = {"afn", "artnet", "artnet_control", "dianet", "fdp", "fmanet", "htnet", "mmnet",
         "phase_image", "resnet"}  # fmt: skip


def weaker(sample):
    """The tiny store's arrays, half as strong."""
    return {name: array / 2 for name, array in arrays(sample).items()}


def test_every_network_that_a_cpu_can_train_has_a_row():
    assert {entry.model for entry in networks.ENTRIES} == set(names()) - LARGE
    assert all(f"{name}_lite" in names() for name in LARGE - {"resnet", "artnet_control"})


def test_what_a_row_changes_is_a_setting_of_the_fit():
    for entry in networks.ENTRIES:
        assert set(entry.changes) <= set(load(entry.model).fit.__slots__)


def test_the_page_has_a_row_a_network_and_a_second_run_trains_nothing(
    tmp_path, monkeypatch, capsys
):
    entries = (networks.Entry("svm_linear"), networks.Entry("ststnet", {"epochs": 1}))
    places = {"STORES": tmp_path, "RUNS": tmp_path / "runs", "PAGE": tmp_path / "networks.md"}
    for name, value in {
        "ENTRIES": entries,
        "SEEDS": 1,
        "CONTROL_SEEDS": 1,
        "WORKERS": 1,
        **places,
    }.items():
        monkeypatch.setattr(networks, name, value)
    store = tiny_store(tmp_path / "flow.h5")
    networks.main()
    page = networks.PAGE.read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == ["| `svm_linear`", "| `ststnet`"]
    assert rows[1][1:3] == ["1,683", "`flow`"]
    assert rows[1][-1] == "epochs 1 |"
    assert "36 clips of 4 synthetic subjects in 3\nclasses" in page
    assert "training" in capsys.readouterr().out
    networks.main()
    assert "training" not in capsys.readouterr().out
    assert networks.PAGE.read_text() == page
    store.chmod(0o600)
    store.unlink()
    tiny_store(store, make=weaker)
    networks.main()
    assert "training" in capsys.readouterr().out
