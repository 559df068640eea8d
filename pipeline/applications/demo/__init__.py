"""`python -m pipeline demo`: the trained model on a page of 127.0.0.1, for people to try.

`showing` makes pictures and sentences of pictures, `gallery` has heads to choose from, `app` is the page and alone
knows Gradio, `serving` puts it on a port. Gradio reads its settings when it is imported: so they are made here.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
