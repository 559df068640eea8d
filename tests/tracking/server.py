"""A W&B server on this machine, as far as the client asks one, which can fail in the ways that servers fail in."""

import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What is answered where: from the first request on, or once a run has begun.
WORKS, SILENT, ERROR, DIES = "works", "is silent", "answers 500", "dies"
FALLS_SILENT, FALLS_ILL = "falls silent", "answers 500 from then on"


class Server(ThreadingHTTPServer):
    """Listens until `close`; keeps what it was asked, operation and variables, and all that was posted and uploaded."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behaviour: str = WORKS) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.behaviour = behaviour
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.posted: list[bytes] = []
        self.uploaded: list[bytes] = []  # the content of each file
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of(self, operation: str) -> list[dict[str, Any]]:
        """The variables of each such request."""
        return [variables for name, variables in self.asked if name == operation]

    def history(self) -> list[dict[str, Any]]:
        """What `run.log` was given, in the order in which it was sent."""
        sent = [json.loads(body).get("files", {}) for body in self.posted if body.startswith(b"{")]
        lines = [line for files in sent for line in files.get("wandb-history.jsonl", {}).get("content", ())]
        return [json.loads(line) for line in lines]

    def points(self, key: str) -> list[Any]:
        """The values of a curve."""
        return [point[key] for point in self.history() if key in point]

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """A client that left."""


class Answer(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {})

    def do_PUT(self) -> None:
        self.server.uploaded.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.posted.append(body)
        asked = json.loads(body) if body.startswith(b"{") else {}
        query, variables = asked.get("query") or "", asked.get("variables") or {}
        operation = asked.get("operationName") or query.replace("{", "(").split("(")[0].split()[-1:] or [""]
        operation = operation if isinstance(operation, str) else operation[0]
        begun = bool(self.server.of("UpsertBucket"))
        self.server.asked.append((operation, variables))
        behaviour = self.server.behaviour
        if behaviour == SILENT or (behaviour == FALLS_SILENT and begun):
            time.sleep(60)
        elif behaviour == ERROR or (behaviour == FALLS_ILL and begun):
            self._answer(500, {})
        else:
            self._answer(200, {"data": self._data(operation, variables)})
            if behaviour == DIES:
                threading.Thread(target=self.server.close, daemon=True).start()

    def _data(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        project = {"id": "1", "name": "facet", "entity": {"id": "1", "name": "me"}, "internalId": "UHJvamVjdDox"}
        run = {"id": "1", "name": variables.get("name") or "abc", "displayName": "n", "config": "{}"}
        upload = {"uploadUrl": f"{self.server.url}/upload", "uploadHeaders": []}
        names = [{"name": name, **upload} for name in variables.get("files") or ()]
        file = {"id": "2", "name": "manifest", "displayName": "manifest", **upload}
        view = {
            "id": "3", "name": variables.get("name") or "v", "displayName": "Facet", "description": "",
            "createdAt": "2020-01-01T00:00:00", "updatedAt": "2020-01-01T00:00:00", "spec": variables.get("spec"),
            "project": {"name": "facet", "entityName": "me", "id": "1"}, "user": {"username": "me", "name": "me"},
            "previewUrl": None, "type": "runs", "viewCount": 0,
        }  # fmt: skip
        asked = variables.get("input") or {}
        parts = [
            {"id": "4", "name": part["name"], "displayName": part["name"], "storagePath": None, **upload}
            | {"uploadMultipartUrls": None, "artifact": {"id": "QQ=="}}
            for part in asked.get("artifactFiles") or ()
        ]
        artifact = {"id": "QQ==", "state": "PENDING", "artifactSequence": {"id": "1", "latestArtifact": None}}
        viewer = {"id": "1", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}, "name": "me"}
        listed = {
            "id": "1", "name": "faces", "entityName": "me", "createdAt": "2020-01-01T00:00:00", "isBenchmark": False,
            "user": None,
        }  # fmt: skip
        models = {"pageInfo": {"endCursor": None, "hasNextPage": False}, "edges": [{"node": listed}]}
        return {
            "GetProjects": {"models": models},
            "UpsertBucket": {"upsertBucket": {"bucket": run | {"project": project}, "inserted": True}},
            "CreateRunFiles": {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": names}},
            "CreateArtifact": {"createArtifact": {"artifact": artifact}},
            "CreateArtifactManifest": {"createArtifactManifest": {"artifactManifest": {"id": "1", "file": file}}},
            "CreateArtifactFiles": {"createArtifactFiles": {"files": {"edges": [{"node": part} for part in parts]}}},
            "CommitArtifact": {"commitArtifact": {"artifact": {"id": "QQ==", "digest": "x"}}},
            "UseArtifact": {"useArtifact": {"artifact": {"id": "QQ=="}}},
        }.get(operation, {"viewer": viewer, "project": project, "upsertView": {"view": view, "inserted": True}})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
