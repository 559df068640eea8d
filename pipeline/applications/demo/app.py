"""The page itself. Gradio is known here and nowhere else."""

import base64
import html
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import fastapi
import gradio as gr
import numpy as np
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.applications import marks
from pipeline.applications.demo.files import Files
from pipeline.applications.demo.showing import MAX_UPLOAD, Showing, Shown
from pipeline.datasets.shards import encode
from pipeline.errors import UserError

WAITING = 64  # requests in the queue; one more is told that it is full
OWN = "'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
POLICY = f"default-src {OWN}; media-src 'self' data: blob: mediastream:; frame-ancestors 'none'"
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "Liberation Mono", "monospace")


def application(showing: Showing, files: Files) -> ASGIApp:
    """What a server runs.

    Args:
        showing: what is asked.
        files: in the folder that GRADIO_TEMP_DIR names.
    """
    outside = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    outside.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    gr.mount_gradio_app(
        outside,
        Page(showing, files).blocks(),
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=MAX_UPLOAD,
        theme=gr.themes.Base(primary_hue="teal", neutral_hue="stone", font=SANS, font_mono=MONO).set(
            button_primary_background_fill="#1d5e6c",
            button_primary_background_fill_hover="#174b57",
            color_accent="#2b7f90",
            slider_color="#2b7f90",
            body_text_color_subdued="#6b665d",
            body_text_color_subdued_dark="#a39e93",
        ),
        css=resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8"),
    )
    return _Closed(outside)


class _Closed:
    """Tells the browser that nothing on the page comes from elsewhere, and that nobody may frame it."""

    def __init__(self, inside: ASGIApp) -> None:
        self.inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
            await send(message)

        await self.inside(scope, receive, said)


class Page:
    """Builds the page: inputs at one side, at the other a tab for each thing that can be done with them.

    Args:
        showing: what is asked.
        files: where pictures lie.
    """

    def __init__(self, showing: Showing, files: Files) -> None:
        self.showing, self.files = showing, files
        self.subjects = [str(files.keep(encode(picture))) for picture in showing.gallery.subjects]
        self.samples = [str(files.keep(encode(picture))) for picture in showing.gallery.samples]

    def blocks(self) -> gr.Blocks:
        with gr.Blocks(title="Facet", analytics_enabled=False) as blocks:
            gr.HTML("<h1>Facet</h1><p>The person of one picture, as another shows somebody else.</p>")
            with gr.Row(elem_id="stage"):
                with gr.Column(scale=4, min_width=280), gr.Row():
                    subject = self._slot("Subject", "who", self.subjects)
                    sample = self._slot("Sample", "all else", self.samples)
                with gr.Column(scale=7, min_width=280), gr.Tabs():
                    with gr.Tab("Recombine"):
                        self._recombine(subject, sample)
                    with gr.Tab("Morph"):
                        self._morph(subject, sample)
                    with gr.Tab("Grid"):
                        self._grid()
            gr.Markdown(self.showing.about(), elem_id="about")
        blocks.queue(default_concurrency_limit=1, max_size=WAITING)
        return blocks

    def _slot(self, label: str, gives: str, heads: list[str]) -> gr.Image:
        """A picture by upload, webcam or paste, and heads that take its place."""
        name = label.split()[0].lower()
        with gr.Column(min_width=130):
            gr.HTML(f'<p class="slot"><strong>{label}</strong> {gives}</p>')
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

    def _recombine(self, subject: gr.Image, sample: gr.Image) -> None:
        button = gr.Button("Recombine", variant="primary", elem_id="recombine")
        first = Path(self.subjects[0]), Path(self.samples[0])
        made = _result("recombined", *self._shown(lambda: self.showing.recombined(*first), self.files.keep))

        def run(who: str | None, how: str | None) -> tuple[Any, ...]:
            return self._shown(lambda: self.showing.recombined(_place(who), _place(how)))

        button.click(run, [subject, sample], made, api_name="recombine", concurrency_id="model")

    def _morph(self, subject: gr.Image, sample: gr.Image) -> None:
        with gr.Row():
            with gr.Column(scale=2, min_width=200):
                other = self._slot("Far end", "another of either", self.samples[::-1])
            with gr.Column(scale=3, min_width=270):
                what = gr.Radio(["sample", "subject"], value="sample", label="What changes")
                share = gr.Slider(0, 1, 0.5, step=0.05, label="Way to the far end", elem_id="share")
                button = gr.Button("Morph", variant="primary", elem_id="morph")
                made = _result("morphed", None, "", None)

        def run(who: str | None, how: str | None, end: str | None, which: str, part: float) -> tuple[Any, ...]:
            places = _place(who), _place(how), _place(end)
            return self._shown(lambda: self.showing.between(*places, which == "subject", float(part)))

        gr.on(
            [button.click, share.input, what.input],
            run,
            [subject, sample, other, what, share],
            made,
            api_name="morph",
            trigger_mode="always_last",
            concurrency_id="model",
            show_progress="minimal",
        )

    def _grid(self) -> None:
        gr.HTML('<p class="slot">Up to six photographs of each; without any, the rendered heads are taken.</p>')
        with gr.Row():
            subjects, samples = (
                gr.File(
                    label=name,
                    file_count="multiple",
                    file_types=["image"],
                    height=160,
                    min_width=150,
                )
                for name in ("Subjects", "Samples")
            )
        button = gr.Button("Make the grid", variant="primary", elem_id="grid")
        made = _result("gridded", None, "", None)

        def run(who: list[str] | None, how: list[str] | None) -> tuple[Any, ...]:
            people, circumstances = (
                [Path(file) for file in files] for files in (who or self.subjects, how or self.samples)
            )
            return self._shown(lambda: self.showing.grid(people, circumstances))

        button.click(run, [subjects, samples], made, api_name="grid", concurrency_id="model")

    def _shown(self, ask: Callable[[], Shown], put: Callable[[bytes], Path] | None = None) -> tuple[Any, ...]:
        """Values for a result: the file to show, what stands beside it, the file to download."""
        try:
            shown = ask()
        except UserError as error:
            return None, f'<p class="refused" role="alert">{html.escape(str(error))}</p>', None
        file = str((put or self.files.put)(marks.png(shown.picture, self.showing.model.fingerprint)))
        return file, beside(shown), file


def beside(shown: Shown) -> str:
    """HTML: likeness, what the picture was made of, and how to read both."""
    bars = "".join(
        f"<li><span>like {html.escape(name)}</span><strong>{value:.2f}</strong>"
        f'<i><b style="width: {100 * min(max(value, 0), 1):.0f}%"></b></i></li>'
        for name, value in shown.likeness.items()
    )
    figures = "".join(
        f'<figure><img alt="" src="{_inline(image)}"><figcaption>{html.escape(name)}</figcaption></figure>'
        for name, image in shown.seen.items()
    )
    return (
        f'<ul class="likeness">{bars}</ul><p class="note">{html.escape(shown.sentence)}</p>'
        f'<div class="seen">{figures}</div>'
    )


def _result(name: str, picture: str | None, words: str, download: str | None) -> Sequence[gr.components.Component]:
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
        with gr.Column(scale=3, min_width=200):
            text = gr.HTML(words, elem_id=f"{name}-words")
            button = gr.DownloadButton("Download the PNG", value=download, size="sm", elem_id=f"{name}-download")
    return image, text, button


def _path(payload: Any) -> str | None:
    """Where an upload lies."""
    return payload.path if payload else None


def _place(file: str | None) -> Path | None:
    return Path(file) if file else None


def _inline(image: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode(image)).decode()}"
