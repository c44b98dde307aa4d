"""What holds for every test."""

import signal

# `make test &` leaves SIGINT ignored, and children inherit that: tests of Ctrl-C need it as a terminal has it.
signal.signal(signal.SIGINT, signal.default_int_handler)
