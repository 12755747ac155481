"""A run in the browser: what is drawn, read off and listed (`shownrun`, `shownimport`), and the page that shows it.

`gate` says who may ask; `document` and `page` are the one door to Bokeh.
"""
