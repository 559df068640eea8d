"""`python -m pipeline demo`: the trained model on a page of 127.0.0.1, for people to try.

`showing` makes pictures and sentences of pictures, `sliding` and `filming` what their names say, `gallery` has heads to
choose from, `page` and `parts` are the page, `app` makes of it what a server runs, and `serving` puts that on a port.
Gradio reads its settings when it is imported: so they are made here.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
