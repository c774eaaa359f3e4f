"""Sphinx's settings for the course's site.

`helpers/course/site.py` copies this folder, lays the pages beside it and starts Sphinx with the course's
title and version. Nothing here asks the network, neither now nor on the page.
"""

import os

project = os.environ["SITE_TITLE"]
release = version = os.environ["SITE_VERSION"]
author = "the course's authors"
language = "en"

extensions = ["myst_nb"]
exclude_patterns = ["learner"]
smartquotes = False
pygments_style = "a11y-high-contrast-light"

nb_execution_mode = "off"
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}  # a widget's first state stands on the page as a plain figure
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

html_theme = "sphinx_book_theme"
html_title = project
html_logo = "static/cat.png"
html_favicon = "static/cat.png"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "toc_title": "On this page",
    "use_download_button": False,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "extra_footer": "<p>Text and figures: CC BY 4.0. Code: MIT license.</p>",
}

mathjax_path = "tex-svg.js"  # one file that holds its fonts as drawings
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would load further files
