"""An exported model for machines without torch: numpy, OpenCV and onnxruntime are all that it needs.

from pipeline.applications.onnx_synthesizer import OnnxSynthesizer
"""

from pathlib import Path

import numpy as np

from pipeline.applications.export.description import Description, ModelError
from pipeline.applications.export.sessions import opened
from pipeline.datasets.photographs import alignment

CHUNK = 64  # images at once, which bounds memory


class OnnxSynthesizer:
    """Identity and attributes of aligned faces, and faces made of them: what FaceSynthesizer is, in numpy.

    Images are aligned faces of `image_size` pixels: uint8 [B, S, S, 3] RGB, or float32 [B, 3, S, S] in [-1, 1]. Codes
    are float32: f_I [B, identity_dim] and z [B, attribute_dim].

        model = OnnxSynthesizer("exported")
        faces = model.synthesize(model.identity(subjects), model.attributes(samples))

    What it makes is synthetic; whoever shows it says so, in the words of `notice`.

    Args:
        folder: what `python -m pipeline export` wrote.
        threads: of a computation; 0: as many as there are cores.

    Raises:
        ModelError: the folder is missing, damaged, of another version, or not what it says.
    """

    def __init__(self, folder: Path | str, threads: int = 0) -> None:
        self._folder = Path(folder)
        self.said = Description.read(self._folder)
        self._sessions = opened(self._folder, self.said, threads)
        self.image_size, self.source = self.said.image_size, self.said.source
        self.fingerprint, self.notice = self.said.fingerprint, self.said.notice

    def align(self, photograph: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The face as the model wants it, uint8 [S, S, 3].

        Args:
            photograph: uint8 [H, W, 3] RGB.
            points: [5, 2] pixels (x, y): eyes, nose tip, mouth corners, image left first.
        """
        if photograph.ndim != 3 or photograph.shape[2] != 3 or photograph.dtype != np.uint8 or 0 in photograph.shape:
            got = f"{photograph.dtype} {photograph.shape}"
            raise ValueError(f"a photograph should be uint8 [H, W, 3] (got {got})")
        template = np.array(self.said.template, np.float32)
        return alignment.warp(photograph, np.asarray(points, np.float32), template, self.image_size)[0]

    def identity(self, images: np.ndarray) -> np.ndarray:
        """f_I of each image: who it is."""
        return self._run("identity.onnx", self._checked(images))

    def attributes(self, images: np.ndarray) -> np.ndarray:
        """z of each image, at its mean: everything else that it shows."""
        return self._run("attributes.onnx", self._checked(images))

    def person(self, images: np.ndarray) -> np.ndarray:
        """f_I of one person by several photographs, [1, identity_dim]: their mean, as long as each is on average."""
        f_I = self.identity(images)
        mean = f_I.mean(axis=0, keepdims=True)
        length = np.linalg.norm(f_I, axis=1).mean() / max(float(np.linalg.norm(mean)), 1e-12)
        return (mean * length).astype(np.float32)

    def synthesize(self, f_I: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The person of each f_I with what z says, uint8 [B, S, S, 3]."""
        levels = np.rint((np.clip(self.raw(f_I, z), -1, 1) + 1) * np.float32(127.5)).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))

    def raw(self, f_I: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The same as it leaves G: float32 [B, 3, S, S] in [-1, 1]."""
        wanted = (self.said.identity_dim, self.said.attribute_dim)
        if len(f_I) != len(z) or f_I.ndim != 2 or z.ndim != 2 or (f_I.shape[1], z.shape[1]) != wanted:
            shapes = f"{f_I.shape} and {z.shape}"
            raise ValueError(f"f_I and z should be [B, {wanted[0]}] and [B, {wanted[1]}] (got {shapes})")
        return self._run("generator.onnx", f_I, z)

    def _checked(self, images: np.ndarray) -> np.ndarray:
        side = self.image_size
        if images.dtype == np.uint8 and images.shape[1:] == (side, side, 3):
            return images.transpose(0, 3, 1, 2) / np.float32(127.5) - np.float32(1)
        if images.dtype == np.float32 and images.shape[1:] == (3, side, side):
            return images
        raise ValueError(
            f"images should be uint8 [B, {side}, {side}, 3] or float32 [B, 3, {side}, {side}] "
            f"(got {images.dtype} {images.shape})"
        )

    def _run(self, name: str, *inputs: np.ndarray) -> np.ndarray:
        session = self._sessions[name]
        names = [tensor.name for tensor in session.get_inputs()]
        output = session.get_outputs()[0].name
        made = [np.empty((0, *self.said.shape(output)), np.float32)]
        for start in range(0, len(inputs[0]), CHUNK):
            part = (np.ascontiguousarray(array[start : start + CHUNK], np.float32) for array in inputs)
            made.append(session.run([output], dict(zip(names, part, strict=True)))[0])
            if made[-1].shape != (min(CHUNK, len(inputs[0]) - start), *self.said.shape(output)):
                raise ModelError(f"{self._folder / name}: gives {made[-1].shape}, which model.json does not say")
        return np.concatenate(made)
