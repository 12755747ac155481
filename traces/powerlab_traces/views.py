"""Traces and tables in the library that the user works with: pandas, xarray, torch.

The library is loaded by the call that needs it. For numpy: `trace.values`, `trace.times` and `table["energy_J"]`. A
part of a long record is `run.records.current(i, window)`, a slower one `averaged(trace, size)`; both are traces.
"""

from typing import TYPE_CHECKING, overload

import numpy as np

from powerlab_traces.extras import library
from powerlab_traces.table import Table, quantity_of
from powerlab_traces.trace import Trace

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray

EXTRA = "export"
TIME = "time"


@overload
def to_pandas(data: Trace) -> "pd.Series": ...
@overload
def to_pandas(data: Table) -> "pd.DataFrame": ...
def to_pandas(data: Trace | Table) -> "pd.Series | pd.DataFrame":
    """A trace as a Series by time (`time_s`), a table as a DataFrame; units are in the names, and in `attrs`.

    Raises
    ------
    Missing
        pandas is not installed.
    """
    pandas = library("pandas", EXTRA)
    if isinstance(data, Trace):
        name = "_".join(filter(None, (quantity_of(data.unit), data.unit)))
        series = pandas.Series(data.values, index=pandas.Index(data.times, name=f"{TIME}_s"), name=name)
        series.attrs["units"] = data.unit
        return series
    columns = zip(data.columns, data.values, strict=True)
    frame = pandas.DataFrame({it.header: values.astype(object) if it.is_text else values for it, values in columns})
    frame.attrs.update(data.about, units={it.header: it.unit for it in data.columns if it.unit})
    return frame


@overload
def to_xarray(data: Trace) -> "xarray.DataArray": ...
@overload
def to_xarray(data: Table) -> "xarray.Dataset": ...
def to_xarray(data: Trace | Table) -> "xarray.DataArray | xarray.Dataset":
    """A trace as a DataArray along `time`, a table as a Dataset along its rows; units are in `attrs`, as CF has them.

    Raises
    ------
    Missing
        xarray is not installed.
    """
    xr = library("xarray", EXTRA)
    if isinstance(data, Trace):
        name = quantity_of(data.unit)
        seconds = xr.Variable((TIME,), data.times, {"units": "s", "long_name": "time after the trigger"})
        attrs = {"units": data.unit, "long_name": name}
        array: xarray.DataArray = xr.DataArray(data.values, {TIME: seconds}, (TIME,), name, attrs)
        return array
    variables = {}
    for column, values in zip(data.columns, data.values, strict=True):
        said = {"long_name": column.meaning} | ({"units": column.unit} if column.unit else {})
        variables[column.name] = xr.Variable((data.row,), values.astype(object) if column.is_text else values, said)
    dataset: xarray.Dataset = xr.Dataset(variables, attrs=data.about)
    return dataset


@overload
def to_torch(data: Trace) -> "torch.Tensor": ...
@overload
def to_torch(data: Table) -> "dict[str, torch.Tensor]": ...
def to_torch(data: Trace | Table) -> "torch.Tensor | dict[str, torch.Tensor]":
    """A trace's values as a float64 tensor [n] in its unit; a table's columns of numbers by header, text left out.

    Raises
    ------
    Missing
        torch is not installed.
    """
    tensor_of = library("torch", EXTRA).from_numpy
    if isinstance(data, Trace):
        tensor: torch.Tensor = tensor_of(data.values)
        return tensor
    columns = zip(data.columns, data.values, strict=True)
    return {it.header: tensor_of(np.array(values)) for it, values in columns if not it.is_text}
