"""How often a network is right: images whose classes are known, read as the network wants them, scored and counted.

`powerlab.validation.evaluation` does it. Nothing here loads torch but `powerlab.validation.network`.
"""

from powerlab_traces.errors import PowerlabError


class AccuracyError(PowerlabError):
    """The accuracy cannot be told: something is missing, or does not fit together."""
