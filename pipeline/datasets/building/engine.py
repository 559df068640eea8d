"""Many workers, one result: tasks go to Dask's workers, here or on a cluster, and what they made comes back."""

import logging
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.comm.core import CommClosedError

from pipeline.datasets.building.parts import Part, Recipe, Task, make_part
from pipeline.errors import UserError

CONNECT_SECONDS = 10
DASHBOARD_PORT = 8787  # or any other where that is taken
AHEAD = 3  # tasks handed out for each thread of the workers, so that none waits and few are in memory

# What Dask looks after many times a second, by default, takes time from two cores; a task here takes many seconds.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.scheduler.work-stealing-interval": "1s",
    "distributed.worker.memory.monitor-interval": "2s",
}

log = logging.getLogger(__name__)
# Its messages are for those who mend clusters; what a person should know is said here.
for _name in ("distributed", "distributed.client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class EngineError(UserError):
    """The workers cannot be reached or keep dying."""


class Engine(NamedTuple):
    """Who does the work."""

    client: Client
    threads: int  # of all workers


@contextmanager
def workers(scheduler: str | None, count: int, folder: Path) -> Iterator[Engine]:
    """Dask's workers. Those of this machine are still starting when the body begins.

    Args:
        scheduler: address of a running one, whose workers see the same files; None: processes of this machine.
        count: of processes, where they are ours.
        folder: where the stage builds.

    Raises:
        EngineError: the scheduler cannot be reached, has no workers, or those do not see `folder`.
    """
    if scheduler:
        with _connected(scheduler) as client:
            _check_place(client, folder, scheduler)
            _say_dashboard(client)
            yield Engine(client, sum(client.nthreads().values()))
        return
    dask.config.set(QUIET)
    # On the loopback alone: neither the workers nor the dashboard are for others on the network.
    with (
        LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=f"127.0.0.1:{DASHBOARD_PORT}",
            local_directory=str(folder / "dask"),
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        cluster.scale(max(1, count))
        _say_dashboard(client)
        yield Engine(client, max(1, count))


def _say_dashboard(client: Client) -> None:
    if client.dashboard_link:  # a cluster may have none
        log.info("Dask dashboard: %s", client.dashboard_link)


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise EngineError(
            f"FACET_SCHEDULER: no Dask scheduler answers at {scheduler} ({why}); start it, or unset the variable to "
            "use this machine"
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=5)


def _check_place(client: Client, folder: Path, scheduler: str) -> None:
    """Every worker has to see the work folder: parts are exchanged as files."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError:
        raise EngineError(f"FACET_SCHEDULER: the scheduler at {scheduler} has no workers; start some") from None
    proof = folder / f"{uuid.uuid4().hex}.proof"
    proof.touch()
    try:
        seen = client.run(_exists, str(proof.resolve()))
    except ImportError as error:
        raise EngineError(f"FACET_SCHEDULER: the workers at {scheduler} lack this code ({error})") from None
    finally:
        proof.unlink()
    if blind := sorted(worker for worker, sees in seen.items() if not sees):
        raise EngineError(
            f"FACET_SCHEDULER: the worker {blind[0]} does not see {folder.resolve()}; let FACET_WORK name a folder "
            "that all machines share"
        )


def _exists(path: str) -> bool:
    return Path(path).exists()


def make_parts(engine: Engine, tasks: Iterable[Task], recipe: Recipe, folder: Path) -> Iterator[Part]:
    """Make every part, in whatever order they come; those that are there already are not made again.

    Raises:
        EngineError: the scheduler went away, or a task kills every worker that takes it.
        UserError: what a worker raised for a person.
    """
    place, source = folder.resolve(), iter(tasks)
    done, running = as_completed(), 0

    def submit() -> int:
        for task in source:
            key = f"{task.name}-{uuid.uuid4().hex}"
            done.add(engine.client.submit(make_part, task, recipe, place, key=key, pure=False))
            return 1
        return 0

    running = sum(submit() for _ in range(AHEAD * engine.threads))
    while running:
        future = next(done)
        try:
            yield future.result()
        except KilledWorker as error:
            raise EngineError(
                f"the shard {_shard(future)} killed {error.allowed_failures + 1} workers: not enough memory, or a file "
                "that crashes a decoder; finished shards are kept"
            ) from None
        except (CancelledError, CommClosedError, TimeoutError) as error:
            raise EngineError(
                f"the Dask scheduler went away ({type(error).__name__}); finished shards are kept: start it and run "
                "the stage again"
            ) from None
        running += submit() - 1


def _shard(future: Future) -> str:
    return str(future.key).rsplit("-", 1)[0]
