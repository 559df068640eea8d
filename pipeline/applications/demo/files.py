"""The pictures and films that the page shows, as files of one folder, and how long each stays."""

import hashlib
import time
from pathlib import Path

from pipeline.applications import marks

MINUTE = 60.0
STAYS = 30 * MINUTE  # seconds: what was uploaded, and what was made of it


class Files:
    """A folder in which Gradio puts what is uploaded, and we what is shown.

    Args:
        folder: who made it deletes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._kept = folder, folder / "kept"
        self._looked = time.monotonic()

    def keep(self, content: bytes) -> Path:
        """A PNG that stays as long as the page."""
        return self._written(content, self._kept)

    def put(self, content: bytes, suffix: str = ".png") -> Path:
        """A picture or film that somebody asked for."""
        return self._written(content, self.folder / "made", suffix)

    def forget(self, seconds: float = STAYS) -> None:
        """Delete what is older; Gradio's own `delete_cache` passes over uploads that nothing was made of."""
        end = time.time() - seconds
        for path in self.folder.rglob("*"):
            if path.parent != self._kept and path.is_file() and path.stat().st_mtime < end:
                path.unlink(missing_ok=True)

    def forget_now_and_then(self) -> None:
        if time.monotonic() - self._looked > MINUTE:
            self._looked = time.monotonic()
            self.forget()

    def _written(self, content: bytes, folder: Path, suffix: str = ".png") -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / f"facet-{hashlib.sha256(content).hexdigest()[:12]}{suffix}"
        marks.replace(path, content)
        return path
