"""What the page is put together from: slots for pictures, results, and what stands beside these."""

import base64
import html
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from pipeline.applications.demo.filming import Filmed
from pipeline.applications.demo.showing import MAX_UPLOAD, Shown
from pipeline.datasets.shards import encode
from pipeline.errors import UserError


def slot(label: str, gives: str, heads: list[str]) -> gr.Image:
    """A picture by upload, webcam or paste, and heads that take its place."""
    name = label.split()[0].lower()
    with gr.Column(min_width=130):
        heading(f"<strong>{label}</strong> {gives}")
        picture = gr.Image(
            heads[0],
            label=label,
            show_label=False,
            sources=["upload", "webcam", "clipboard"],
            type="filepath",
            height=230,
            buttons=[],
            elem_id=name,
        )
        # Gradio would open the file to convert it, and speak of a file that is none in words of its own.
        picture.preprocess = _path
        rendered = gr.Gallery(
            heads,
            label="Rendered heads",
            show_label=False,
            columns=3,
            height="auto",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id=f"{name}-heads",
            elem_classes="heads",
        )

        def chosen(event: gr.SelectData) -> str:
            return heads[event.index]

        rendered.select(chosen, None, picture, queue=False, show_progress="hidden", api_visibility="private")
    return picture


def heading(words: str) -> None:
    """HTML above a place for files, and where `page.js` says that one has too many bytes."""
    refused = f'<p class="refused too-large" role="alert" data-bytes="{MAX_UPLOAD}" hidden></p>'
    gr.HTML(f'<p class="slot">{words}</p>{refused}')


def beside(made: Shown | Filmed) -> str:
    """HTML: likeness, what the picture was made of, and how to read both."""
    bars = "".join(
        f"<li><span>like {html.escape(name)}</span><strong>{value:.2f}</strong>"
        f'<i><b style="width: {100 * min(max(value, 0), 1):.0f}%"></b></i></li>'
        for name, value in made.likeness.items()
    )
    figures = "".join(
        f'<figure><img alt="" src="{_inline(image)}"><figcaption>{html.escape(name)}</figcaption></figure>'
        for name, image in made.seen.items()
    )
    return (
        f'<ul class="likeness">{bars}</ul><p class="note">{html.escape(made.sentence)}</p>'
        f'<div class="seen">{figures}</div>'
    )


def refusal(error: UserError) -> str:
    """HTML: what is wrong, and what to do."""
    return f'<p class="refused" role="alert">{html.escape(str(error))}</p>'


def result(name: str, picture: str | None, words: str, download: str | None) -> Sequence[gr.components.Component]:
    """A big picture, words, and the way to take it home."""
    with gr.Row(elem_classes="made"):
        image = gr.Image(
            picture,
            show_label=False,
            interactive=False,
            type="filepath",
            buttons=["fullscreen"],
            scale=5,
            min_width=270,
            elem_id=name,
            elem_classes="result",
        )
        return image, *_told(name, words, "Download the PNG", download)


def film(name: str) -> Sequence[gr.components.Component]:
    """A film that plays again and again, words, and the way to take it home; the film is hidden until there is one."""
    with gr.Row(elem_classes="made"):
        video = gr.Video(
            show_label=False,
            interactive=False,
            visible=False,
            autoplay=True,
            loop=True,
            buttons=[],
            scale=5,
            min_width=270,
            elem_id=name,
            elem_classes="result",
        )
        return video, *_told(name, "", "Download the MP4", None, shown=False)


def clip() -> gr.Video:
    """A film by upload or webcam."""
    video = gr.Video(
        show_label=False, sources=["upload", "webcam"], include_audio=True, height=280, buttons=[], elem_id="clip"
    )
    video.preprocess = _path  # as for pictures
    return video


def on_photographs() -> str:
    """HTML: what a model of rendered heads makes of photographs, and what one does that was trained on them."""
    picture = base64.b64encode(resources.files(__package__).joinpath("photographs.jpg").read_bytes()).decode()
    return (
        '<figure id="on-photographs"><img alt="Three people in three photographs of others: blurred, much alike and '
        'hardly to be recognised; beside them the same by another model, with natural faces" '
        f'src="data:image/jpeg;base64,{picture}"><figcaption>Photographs, by such a model (left) and by one that was '
        "trained on photographs of 96 people (right): in each the people of the first column as those of the first row "
        "are seen. Photographs: Face Research Lab London Set, DeBruine and Jones 2017, CC BY 4.0; cut out and "
        "recombined.</figcaption></figure>"
    )


def _told(name: str, words: str, label: str, download: str | None, shown: bool = True) -> tuple[Any, Any]:
    with gr.Column(scale=3, min_width=200):
        text = gr.HTML(words, elem_id=f"{name}-words")
        button = gr.DownloadButton(label, value=download, visible=shown, size="sm", elem_id=f"{name}-download")
    return text, button


def _path(payload: Any) -> str | None:
    """Where an upload lies."""
    return payload.path if payload else None


def place(file: str | None) -> Path | None:
    return Path(file) if file else None


def _inline(image: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode(image)).decode()}"
