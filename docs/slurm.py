"""mer-features with its workers as jobs of Slurm.

    pip install dask-jobqueue
    python docs/slurm.py --jobs 20 --memory 4GB --walltime 02:00:00 --account lab \
        run samm --root /data/SAMM

The scheduler lives in this process, the workers in jobs; all see the dataset under the same
path. A cache folder that all see ($MER_CACHE) saves sending results; without one, each worker
keeps its own and sends back what the store needs. With Dask's TLS settings in place
(DASK_DISTRIBUTED__COMM__TLS__CA_FILE and its kin) --tls encrypts and authenticates everything;
without it, whoever reaches the scheduler's port can run code as you.
"""

import subprocess
import sys

import click
from dask_jobqueue import SLURMCluster
from dask_jobqueue.local import LocalCluster
from distributed.security import Security

KINDS = {"slurm": SLURMCluster, "local": LocalCluster}


@click.command(context_settings={"ignore_unknown_options": True, "show_default": True})
@click.option("--jobs", type=click.IntRange(min=1), default=2, help="Each is one worker.")
@click.option("--memory", default="4GB", help="Of a job.")
@click.option("--walltime", help="Of a job, HH:MM:SS.")
@click.option("--account", help="As sbatch -A.")
@click.option("--interface", help="Network between the nodes, such as ib0.")
@click.option("--tls", is_flag=True, help="Encrypt and authenticate, by Dask's TLS settings.")
@click.option("--kind", type=click.Choice(list(KINDS)), default="slurm", help="local: a rehearsal.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def main(
    jobs: int,
    memory: str,
    walltime: str | None,
    account: str | None,
    interface: str | None,
    tls: bool,
    kind: str,
    command: tuple[str, ...],
) -> None:
    """Run mer-features COMMAND with its workers as jobs; its --scheduler is filled in."""
    extra = {"account": account} if kind == "slurm" else {}
    security = {"protocol": "tls://", "security": Security()} if tls else {}
    with KINDS[kind](
        cores=1, processes=1, memory=memory, walltime=walltime, interface=interface,
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        **extra, **security,
    ) as cluster:  # fmt: skip
        cluster.scale(jobs=jobs)
        asked = ["mer-features", *command, "--scheduler", cluster.scheduler_address]
        sys.exit(subprocess.run(asked, check=False).returncode)


if __name__ == "__main__":
    main()
