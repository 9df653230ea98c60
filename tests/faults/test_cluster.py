"""A cluster of separate processes: encrypted, and with no folder in common but the dataset."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from features.store import Store
from pipeline.engine import exposed
from tests.walls import walls

ROOT = Path(__file__).parents[2]
DASK = [sys.executable, "-m", "dask"]
RECIPE = (
    'features = ["flow", "strain"]\n[landmarks]\nlandmarker = "none"\n[crop]\nsize = 32\n'
)  # fmt: skip


@dataclass(frozen=True)
class Lab:
    """A dataset, a recipe, and two caches on two machines."""

    folder: Path
    keys: dict[str, str]  # environment of who may take part

    def run(self, *more: str, **environment: str) -> subprocess.CompletedProcess:
        """mer-features run, at the desk of the lab's user."""
        words = [str(self.folder / "clips" / "manifest.csv"), "--out", str(self.folder / "out")]
        return subprocess.run(
            ["mer-features", "run", *words, "--recipe", str(self.folder / "r.toml"), *more],
            env={**os.environ, "MER_CACHE": str(self.folder / "desk"), **environment},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    @property
    def store(self) -> Path:
        """Where its store will be."""
        return self.folder / "out" / "clips" / "r.h5"


def certificate(folder: Path) -> dict[str, str]:
    """One key and certificate for everybody, made as the documentation of Dask's TLS says."""
    if not shutil.which("openssl"):
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=merkit", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    found = {f"{tls}CA_FILE": str(cert)}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        found |= {f"{tls}{role}__CERT": str(cert), f"{tls}{role}__KEY": str(key)}
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    walls(folder / "clips", samples=6)
    (folder / "r.toml").write_text(RECIPE)
    for name in ("desk", "node"):
        (folder / name).mkdir()
    return Lab(folder, certificate(folder))


@pytest.fixture(scope="module")
def address(lab: Lab) -> Iterator[str]:
    """A scheduler and a worker, by TLS; the worker's machine cannot see the desk's cache."""
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system allows no mount namespace, which hides the cache from the worker")
    environment = {**os.environ, **lab.keys, "MER_CACHE": str(lab.folder / "node")}
    environment["PYTHONPATH"] = str(ROOT)
    file = lab.folder / "scheduler.json"

    def start(*words: str) -> subprocess.Popen:
        return subprocess.Popen(
            words, env=environment, cwd=lab.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    scheduler = start(
        *DASK, "scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", "0",
        "--no-dashboard", "--scheduler-file", str(file),
    )  # fmt: skip
    until = time.monotonic() + 60
    while not file.exists() or not file.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    found = json.loads(file.read_text())["address"]
    hidden = f"mount -t tmpfs none '{lab.folder / 'desk'}' && exec \"$@\""
    worker = start(
        "unshare", "-rm", "sh", "-c", hidden, "sh", *DASK, "worker", found, "--nthreads", "1",
        "--no-dashboard", "--no-nanny",
    )  # fmt: skip
    try:
        yield found
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.communicate(timeout=30)


def shards(cache: Path) -> int:
    return len(list(cache.glob("shards/*/*.shard")))


@pytest.mark.faults
def test_encrypted_and_without_a_common_cache_the_store_is_the_same(lab, address):
    assert address.startswith("tls://")
    done = lab.run("--scheduler", address, **lab.keys)
    assert done.returncode == 0, done.stderr
    assert "6 samples, 6 computed" in done.stdout
    assert "encrypted" not in done.stderr
    remote = lab.store.read_bytes()
    assert shards(lab.folder / "node") == 6 * 3  # crop, flow and strain
    assert shards(lab.folder / "desk") == 6 * 2  # what the store holds was sent
    again = lab.run("--scheduler", address, **lab.keys)
    assert "nothing to do" in again.stdout
    lab.store.unlink()
    alone = lab.run("--workers", "0", MER_CACHE=str(lab.folder / "alone"))
    assert alone.returncode == 0
    assert lab.store.read_bytes() == remote
    with Store(lab.store) as store:
        assert store.verify() == []


@pytest.mark.parametrize("scheme", ["tls", "tcp"])
@pytest.mark.faults
def test_nobody_without_the_key_comes_in(lab, address, scheme):
    lab.store.unlink(missing_ok=True)
    cache = str(lab.folder / f"stranger-{scheme}")
    where = f"{scheme}://{address.split('://')[1]}"
    done = lab.run("--scheduler", where, MER_CACHE=cache)
    assert done.returncode == 1
    cause, remedy = done.stderr.splitlines()[-2:]
    assert cause.startswith(f"error: {where}: ")
    assert remedy.startswith("  ")
    assert "Traceback" not in done.stderr
    assert not lab.store.exists()


@pytest.mark.parametrize(
    ("scheduler", "told"),
    [
        ("tcp://192.0.2.1:8786", True), ("tcp://cluster:8786", True), ("tls://cluster:1", False),
        ("tcp://127.0.0.1:1", False), ("tcp://localhost:1", False), ("tcp://[::1]:1", False),
    ],
)  # fmt: skip
def test_a_wire_that_others_can_read_is_told(scheduler, told):
    assert bool(exposed(scheduler)) == told


@pytest.mark.faults  # in short, the README's test does it
def test_the_example_for_slurm_runs_with_jobs_of_this_machine(lab):
    (lab.folder / "jobs").mkdir()
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "slurm.py"), "--kind", "local", "--jobs", "1",
         "--interface", "lo", "run", str(lab.folder / "clips" / "manifest.csv"),
         "--recipe", str(lab.folder / "r.toml"), "--out", str(lab.folder / "jobs")],
        env={**os.environ, "MER_CACHE": str(lab.folder / "jobs" / "cache")}, cwd=lab.folder,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 samples, 6 computed" in done.stdout


def test_the_example_asks_slurm_for_what_it_was_told():
    from dask_jobqueue import SLURMCluster

    with SLURMCluster(
        cores=1, processes=1, memory="4GB", walltime="02:00:00", account="lab", interface="lo",
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    ) as cluster:  # fmt: skip
        script = cluster.job_script()
    for line in ("#SBATCH -A lab", "#SBATCH -t 02:00:00", "--nthreads 1"):
        assert line in script
