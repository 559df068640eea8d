"""Weights that others published: where they come from, what they should contain, and where they lie here.

Running the pipeline never downloads anything: `fetch` does, when somebody asks for it by name.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import pooch
import requests
from urllib3.exceptions import ReadTimeoutError

from pipeline.errors import UserError
from pipeline.settings import Settings


class AssetError(UserError):
    """Weights are missing, damaged, or could not be fetched."""


class AssetFile(NamedTuple):
    filename: str
    url: str
    sha256: str


class Asset(NamedTuple):
    description: str
    licence: str
    files: tuple[AssetFile, ...]  # the one to open first


class Located(NamedTuple):
    path: Path  # the file to open
    files: tuple[Path, ...]  # all of them, in one folder, in the order of Asset.files


def _open_model_zoo(name: str, xml_sha256: str, bin_sha256: str) -> tuple[AssetFile, ...]:
    folder = f"https://storage.openvinotoolkit.org/repositories/open_model_zoo/2023.0/models_bin/1/{name}/FP16"
    return (
        AssetFile(f"{name}.xml", f"{folder}/{name}.xml", xml_sha256),
        AssetFile(f"{name}.bin", f"{folder}/{name}.bin", bin_sha256),
    )


ASSETS = {
    "yunet": Asset(
        description="YuNet, finds faces and five landmarks (OpenCV Zoo)",
        licence="MIT",
        files=(
            AssetFile(
                "face_detection_yunet_2023mar.onnx",
                "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
                "face_detection_yunet_2023mar.onnx",
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            ),
        ),
    ),
    "reidentification": Asset(
        description="face-reidentification-retail-0095, recognises faces (Open Model Zoo)",
        licence="Apache-2.0",
        files=_open_model_zoo(
            "face-reidentification-retail-0095",
            xml_sha256="ce53d2c9c08c0bd1c1660fb8a5b6d0e3e4ec19eb92f1036d2d83a85e83082dce",
            bin_sha256="241229ca3d206321868d46ce74a3c0b06c49cea58db7dc70b2e842ff287545d1",
        ),
    ),
    "head_pose": Asset(
        description="head-pose-estimation-adas-0001, yaw, pitch and roll in degrees (Open Model Zoo)",
        licence="Apache-2.0",
        files=_open_model_zoo(
            "head-pose-estimation-adas-0001",
            xml_sha256="e0d5d81eb47e1c5e89c43f7cd6c40c4eb14b122015e49d6e36eb88e11571f684",
            bin_sha256="3616849b370b235e54b88798c053fc482cd5665faa569ee0c0d6435405d476be",
        ),
    ),
    "inception": Asset(
        description="Inception-v3 of 2015-12-05 as TorchScript, the features of FID (NVIDIA, from Google's)",
        licence="NVIDIA Source Code License (StyleGAN2-ADA): research or evaluation only, not commercially",
        files=(
            AssetFile(
                "inception-2015-12-05.pt",
                "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
                "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
            ),
        ),
    ),
}


def locate(name: str) -> Located:
    """The files of an asset that is already here.

    The folder FACET_ASSETS comes first, then the cache that `fetch` fills. A folder counts if it holds all of
    the files.

    Raises:
        AssetError: the asset is in neither, or a file is damaged.
    """
    asset = _asset(name)
    own = Settings.read().assets
    remedy = f"delete it and run `python -m pipeline fetch {name}`"
    for folder in ([own] if own else []) + [_cache()]:
        paths = tuple(folder / file.filename for file in asset.files)
        if all(path.is_file() for path in paths):
            for path, file in zip(paths, asset.files, strict=True):
                check_sha256(path, file.sha256, remedy)
            return Located(paths[0], paths)
    names = " and ".join(file.filename for file in asset.files)
    raise AssetError(
        f"{name}: the weights {names} are not here; run `python -m pipeline fetch {name}` "
        f"or let FACET_ASSETS name a folder that holds them"
    )


def fetch(name: str, timeout_s: float = 30) -> Located:
    """Download what the cache lacks of an asset; a file takes its name only once its checksum is right.

    Args:
        name: one of ASSETS.
        timeout_s: longest silence of the server, in seconds.

    Raises:
        AssetError: the server cannot be reached, falls silent, refuses, or sends something else.
    """
    paths = tuple(_download(file, _cache(), timeout_s) for file in _asset(name).files)
    return Located(paths[0], paths)


def check_sha256(path: Path, expected: str, remedy: str) -> None:
    """Refuse a file whose content is not what was published.

    Args:
        path: an existing file.
        expected: sha256 in hexadecimal.
        remedy: what to do about it, ends the sentence of the error.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise AssetError(f"{path} is damaged or another version: sha256 {found} instead of {expected}; {remedy}")


def _asset(name: str) -> Asset:
    if name not in ASSETS:
        raise AssetError(f"{name!r} is no weights known here; choose from {', '.join(ASSETS)}")
    return ASSETS[name]


def _cache() -> Path:
    return Path(pooch.os_cache("facet"))


def _download(file: AssetFile, folder: Path, timeout_s: float) -> Path:
    pooch.get_logger().setLevel("WARNING")  # it announces each download on stderr
    downloader = pooch.HTTPDownloader(timeout=timeout_s)
    try:
        # To a temporary name first, under its own name after the check.
        known = f"sha256:{file.sha256}"
        return Path(pooch.retrieve(file.url, known, file.filename, folder, downloader=downloader))
    except ValueError:
        why = f"sent something else than the file of sha256 {file.sha256}; try again in case a proxy answered"
    except requests.HTTPError as error:
        why = f"answered {getattr(error.response, 'status_code', 'an error')}; try again later"
    except requests.RequestException as error:
        silent = isinstance(error, requests.Timeout) or any(isinstance(cause, ReadTimeoutError) for cause in error.args)
        why = (
            f"was silent for {timeout_s:g} s; try again later"
            if silent
            else "cut the transfer off or cannot be reached; check the network"
        )
    except OSError as error:
        raise AssetError(f"{folder / file.filename} cannot be written ({error.strerror}); make room for it") from None
    raise AssetError(f"{file.url} {why}, or put {file.filename} into a folder and name that in FACET_ASSETS")
