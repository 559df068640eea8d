"""The page on a port of 127.0.0.1, until Ctrl-C; with it go all files that it was made of."""

import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import stopping
from pipeline.applications.demo.files import Files
from pipeline.applications.demo.filming import Filming
from pipeline.applications.demo.gallery import Gallery
from pipeline.applications.demo.showing import Showing
from pipeline.applications.demo.sliding import Sliding
from pipeline.applications.recombine import opened
from pipeline.errors import UserError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
LAST_PORT = 65535
STARTED_WITHIN = 60.0  # seconds


def serve(model: Path, port: int) -> None:
    """Open a trained model and serve its page.

    Raises:
        UserError: the model is missing, the port is taken, or Gradio is not installed.
    """
    with _listening(port) as place, tempfile.TemporaryDirectory(prefix="facet-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # read when Gradio is imported
        files, trained = Files(Path(folder)), opened(model)
        server_of = _page()
        showing = Showing(trained, Gallery())
        server = server_of(showing, Sliding(showing), Filming(showing, Path(folder)), files)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        try:
            thread.start()
            _wait_for(server, thread)
            log.info("http://%s:%d  Ctrl-C ends it, and deletes what was uploaded", *place.getsockname())
            while thread.is_alive():
                time.sleep(0.2)
                files.forget_now_and_then()
        except stopping.Stopped:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # pages that are still open are cut off
            server.should_exit = server.force_exit = True
            thread.join(timeout=5)


def _listening(port: int) -> socket.socket:
    if not 0 <= port <= LAST_PORT:
        raise UserError(f"port {port} cannot be served (0 to {LAST_PORT} can); choose another with --port")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UserError(f"port {port} cannot be served ({error.strerror}); choose another with --port") from None


def _page() -> Callable[[Showing, Sliding, Filming, Files], Any]:
    """What makes a server of the page; asked for early, since without Gradio nothing else is worth its time."""
    try:
        import uvicorn

        from pipeline.applications.demo.app import application
        from pipeline.applications.demo.page import Page
    except ImportError as error:
        raise UserError(f"demo: {error.name} is not installed; `pip install 'gradio>=6'` brings it") from None
    return lambda *what: uvicorn.Server(uvicorn.Config(application(Page(*what)), log_config=None, access_log=False))


def _wait_for(server: Any, thread: threading.Thread) -> None:
    end = time.monotonic() + STARTED_WITHIN
    while thread.is_alive() and not server.started and time.monotonic() < end:
        time.sleep(0.05)
    if not server.started:
        raise UserError("demo: the page could not be started; what is wrong stands above")
