"""Marker outputs besides those of `powerlab.marker`: a GPIO line, a parallel port, a program that drives something."""
