"""The page as what a server runs. Gradio is known here, in `page` and in `parts`, and nowhere else."""

from importlib import resources

import fastapi
import gradio as gr
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.applications.demo.page import Page
from pipeline.applications.demo.showing import MAX_UPLOAD

OWN = "'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
POLICY = f"default-src {OWN}; media-src 'self' data: blob: mediastream:; frame-ancestors 'none'"
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "Liberation Mono", "monospace")


def application(page: Page) -> ASGIApp:
    """What a server runs: the page, for this machine alone."""
    outside = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    outside.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    gr.mount_gradio_app(
        outside,
        page.blocks(),
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
        css=_text("page.css"),
        head=f"<script>{_text('page.js')}</script>",
    )
    return _Closed(outside)


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


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
