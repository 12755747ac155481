"""How a capture ended. Apart from `run`, for a board without numpy knows it too."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a capture ended. Whatever was recorded until then counts."""

    COMPLETE = "complete"  # all windows that were asked for
    STOPPED = "stopped"  # by the user
    OUT_OF_MEMORY = "out of memory"  # network and batch did not fit where the workload ran
    WORKLOAD_ENDED = "workload ended"  # it crashed, was killed, or fell silent
    LINK_LOST = "link lost"  # to the machine where it ran
    FAILED = "failed"  # for another reason, such as an instrument that fell silent
    CUT_OFF = "cut off"  # powerlab itself was killed; the file was recovered
