"""keyoscacquire: a trace in each format, averages, and its own file."""

import sys
from pathlib import Path

import numpy as np
from keyoscacquire import Oscilloscope

with Oscilloscope(sys.argv[1], verbose=False) as scope:
    assert scope._model == "MSO-X 2024A", scope._model
    counts, means = [], []
    for form in ("BYTE", "WORD", "ASCii"):
        time, values, channels = scope.set_options_get_trace(
            channels=[1], wav_format=form, acq_type="NORMal", p_mode="NORMal", num_points=0
        )
        assert channels == [1]
        assert time.shape == values.shape, (form, time.shape, values.shape)
        counts.append(len(time))
        means.append(float(values.mean()))
    assert np.ptp(means) < 0.5, means  # at 5 V/div one code is 0.2 V
    time, values, _ = scope.set_options_get_trace(channels=[1], wav_format="WORD", acq_type="AVER8", p_mode="RAW")
    assert 0 < len(time) <= 7680, len(time)
    averaged = len(time)
    time, values, _ = scope.set_options_get_trace(
        channels=[1, 2], wav_format="WORD", acq_type="HRES", p_mode="RAW", num_points=0
    )
    assert values.shape == (len(time), 2), values.shape
    scope.save_trace("trace", ".csv", savepng=False, showplot=False)
    errors = scope.get_full_error_queue(verbose=False)
assert not errors, errors
assert Path("trace.csv").stat().st_size > 1000
sys.stdout.write(f"points {counts}, averaged {averaged}, high resolution {len(time)}, no error\n")
