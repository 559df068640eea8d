"""The page itself: a method for each of its tabs."""

import html
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline.applications import marks
from pipeline.applications.demo.files import Files
from pipeline.applications.demo.filming import LIMITS, Filmed, Filming
from pipeline.applications.demo.parts import (
    beside,
    clip,
    film,
    heading,
    on_photographs,
    place,
    refusal,
    result,
    slot,
)
from pipeline.applications.demo.showing import Showing, Shown
from pipeline.applications.demo.sliding import Sliding
from pipeline.datasets.shards import encode
from pipeline.errors import UserError

WAITING = 64  # requests in the queue; one more is told that it is full


class Page:
    """Builds the page: inputs at one side, at the other a tab for each thing that can be done with them.

    Args:
        showing: what is asked for pictures.
        sliding: what is asked for pictures with something changed.
        filming: what is asked for films.
        files: where pictures and films lie, in the folder that GRADIO_TEMP_DIR names.
    """

    def __init__(self, showing: Showing, sliding: Sliding, filming: Filming, files: Files) -> None:
        self.showing, self.sliding, self.filming, self.files = showing, sliding, filming, files
        self.subjects = [str(files.keep(encode(picture))) for picture in showing.gallery.subjects]
        self.samples = [str(files.keep(encode(picture))) for picture in showing.gallery.samples]

    def blocks(self) -> gr.Blocks:
        with gr.Blocks(title="Facet", analytics_enabled=False) as blocks:
            gr.HTML("<h1>Facet</h1><p>The person of one picture, as another shows somebody else.</p>")
            with gr.Row(elem_id="stage"):
                with gr.Column(scale=4, min_width=280), gr.Row():
                    subject = slot("Subject", "who", self.subjects)
                    sample = slot("Sample", "all else", self.samples)
                with gr.Column(scale=7, min_width=280), gr.Tabs(overflow_behavior="wrap"):
                    with gr.Tab("Recombine"):
                        self._recombine(subject, sample)
                    with gr.Tab("Change"):
                        self._change(subject, sample)
                    with gr.Tab("Morph"):
                        self._morph(subject, sample)
                    with gr.Tab("Film"):
                        self._film(subject)
                    with gr.Tab("Grid"):
                        self._grid()
            gr.Markdown(self.showing.about(), elem_id="about")
            if self.showing.model.source == "rendered":
                gr.HTML(on_photographs())
        blocks.queue(default_concurrency_limit=1, max_size=WAITING)
        return blocks

    def _recombine(self, subject: gr.Image, sample: gr.Image) -> None:
        button = gr.Button("Recombine", variant="primary", elem_id="recombine")
        first = Path(self.subjects[0]), Path(self.samples[0])
        made = result("recombined", *self._shown(lambda: self.showing.recombined(*first), self.files.keep))

        def run(who: str | None, how: str | None) -> tuple[Any, ...]:
            return self._shown(lambda: self.showing.recombined(place(who), place(how)))

        button.click(run, [subject, sample], made, api_name="recombine", concurrency_id="model")

    def _change(self, subject: gr.Image, sample: gr.Image) -> None:
        names = [slider.name for slider in self.sliding.sliders]
        if not names:
            gr.HTML(f'<p class="slot" id="no-sliders">{html.escape(self.sliding.sentence)}</p>')
            return
        with gr.Row(elem_id="sliders"):
            sliders = [
                gr.Slider(
                    -s.reach,
                    s.reach,
                    0,
                    step=s.reach / 20,
                    label=s.label,
                    buttons=[],
                    min_width=0,
                    elem_id=f"by-{s.name}",
                )
                for s in self.sliding.sliders
            ]
        with gr.Row():
            button = gr.Button("Change", variant="primary", elem_id="change")
            back = gr.Button("All to the middle", elem_id="back")
        made = result("changed", None, "", None)
        gr.HTML(f'<p class="note">{html.escape(self.sliding.sentence)}</p>')

        def run(who: str | None, how: str | None, *amounts: float) -> tuple[Any, ...]:
            by = dict(zip(names, map(float, amounts), strict=True))
            return self._shown(lambda: self.sliding.changed(place(who), place(how), by))

        inputs = [subject, sample, *sliders]
        middle = back.click(lambda: dict.fromkeys(sliders, 0), None, sliders, queue=False, api_visibility="private")
        middle.then(run, inputs, made, api_visibility="private", concurrency_id="model", show_progress="minimal")
        gr.on(
            [button.click, *(slider.input for slider in sliders)],
            run,
            inputs,
            made,
            api_name="change",
            trigger_mode="always_last",
            concurrency_id="model",
            show_progress="minimal",
        )

    def _morph(self, subject: gr.Image, sample: gr.Image) -> None:
        with gr.Row():
            with gr.Column(scale=2, min_width=200):
                other = slot("Far end", "another of either", self.samples[::-1])
            with gr.Column(scale=3, min_width=270):
                what = gr.Radio(["sample", "subject"], value="sample", label="What changes")
                share = gr.Slider(0, 1, 0.5, step=0.05, label="Way to the far end", elem_id="share")
                with gr.Row():
                    button = gr.Button("Morph", variant="primary", elem_id="morph")
                    whole = gr.Button("As a film", elem_id="way")
                with gr.Column() as as_picture:
                    made = result("morphed", None, "", None)
                with gr.Column(visible=False) as as_film:
                    filmed = film("way-film")

        def run(who: str | None, how: str | None, end: str | None, which: str, part: float) -> tuple[Any, ...]:
            places = place(who), place(how), place(end)
            return self._shown(lambda: self.showing.between(*places, which == "subject", float(part)))

        def run_film(who: str | None, how: str | None, end: str | None, which: str) -> tuple[Any, ...]:
            places = place(who), place(how), place(end)
            return self._filmed(lambda: self.filming.between(*places, which == "subject"))

        inputs = [subject, sample, other, what]
        asked = [button.click, share.input, what.input]
        gr.on(
            asked,
            run,
            [*inputs, share],
            made,
            api_name="morph",
            trigger_mode="always_last",
            concurrency_id="model",
            show_progress="minimal",
        )
        whole.click(run_film, inputs, filmed, api_name="morph_film", concurrency_id="model")
        for triggers, film_is_shown in ((asked, False), ([whole.click], True)):
            sides = gr.Column(visible=not film_is_shown), gr.Column(visible=film_is_shown)
            gr.on(triggers, partial(tuple, sides), None, [as_picture, as_film], queue=False, api_visibility="private")

    def _film(self, subject: gr.Image) -> None:
        with gr.Row():
            with gr.Column(scale=5, min_width=270):
                heading("<strong>Clip</strong> of somebody, who gets the face of the subject")
                given = clip()
            with gr.Column(scale=3, min_width=200):
                gr.HTML(
                    f'<p class="note">{LIMITS}. It takes a while, in which the others wait, and is deleted after '
                    "half an hour, as is what is made of it.</p>"
                )
                button = gr.Button("Act", variant="primary", elem_id="act")
                head = gr.Button("A rendered head acts", elem_id="perform")
        made = film("acted")

        def run(who: str | None, what: str | None) -> tuple[Any, ...]:
            return self._filmed(lambda: self.filming.acted(place(who), place(what)))

        def run_head(who: str | None) -> tuple[Any, ...]:
            return self._filmed(lambda: self.filming.performed(place(who)))

        button.click(run, [subject, given], made, api_name="act", concurrency_id="model")
        head.click(run_head, [subject], made, api_name="perform", concurrency_id="model")

    def _grid(self) -> None:
        heading("Up to six photographs of each; without any, the rendered heads are taken.")
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
        made = result("gridded", None, "", None)

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
            return None, refusal(error), None
        file = str((put or self.files.put)(marks.png(shown.picture, self.showing.model.fingerprint)))
        return file, beside(shown), file

    def _filmed(self, ask: Callable[[], Filmed]) -> tuple[Any, ...]:
        """The same for a film; its place, and the way to download it, are shown when there is one."""
        try:
            filmed = ask()
        except UserError as error:
            return gr.Video(value=None, visible=False), refusal(error), gr.DownloadButton(value=None, visible=False)
        file = str(self.files.put(filmed.film, ".mp4"))
        return gr.Video(value=file, visible=True), beside(filmed), gr.DownloadButton(value=file, visible=True)
