"""Drivers for the instruments of a power bench, and a simulated bench that speaks the same SCPI.

`link` is the one door to VISA; `settings` are declared once and readable back; `scope`, `supply` and `probe` are the
three instruments. `catalogue` finds the driver of whoever answers, `roles` says what a driver must offer, `conformance`
checks that it does. `simulated` is written from the instruments' manuals and shares no code with the drivers.
"""
