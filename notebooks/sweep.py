# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # A study, with a placement of your own
# A rack is emptied. `spread` sends each guest to the emptiest host: that is quick, and afterwards
# nearly every host has a new guest. `pack` fills one host after the other: few hosts are touched,
# but guests queue for the link of the one that is next. Is there something between?
# %%
import tempfile
import time
from pathlib import Path

import pandas as pd

import dcsim
from dcsim.control.placement import register
from dcsim.view.response import response_figure


@register("pack-gently")
def pack_gently(room, guest, source):
    """Fill one host after the other, but let two guests at most be on their way to any."""
    fullest_first = room.most_used_first(guest.memory_bytes)
    return sorted(fullest_first, key=lambda host: len(host.reserved) >= 2)


# %% [markdown]
# A study is a scenario and what is varied in it. Each combination is run five times, with the same
# random numbers for each placement.
# %%
rack = dcsim.load("rack-drain").replace({"hinting": "free-page-hint", "settle": "1min"})
AXES = {
    "operation.placement": ["spread", "pack", "pack-gently"],
    "topology.host_link": "10Gbit/s..100Gbit/s/4",
    "operation.limits.per_cluster": [4, 8, 16],
}
OPTIONS = {"set": {"operation.limits.per_host_out": 4}, "metrics": ["makespan_s"]}
design = dcsim.Design(rack, axes=AXES, tables=["migrations"], **OPTIONS)
design
# %% [markdown]
# It runs on two processes, and each run is recorded as it is done. The placement is defined in a
# cell; it runs in those processes too. Here the store is a directory that goes with the notebook:
# with one of your own, a study goes on next week.
# %%
directory = tempfile.TemporaryDirectory()
store = Path(directory.name) / "placements"
study = dcsim.sweep(design, store=store, executor=dcsim.local_executor(2))
study
# %%
frame = study.frame()
assert not len(study.failures)
frame[["operation.placement", "topology.host_link", "replicate", "makespan_s"]].iloc[::36]
# %% [markdown]
# Packed gently, the rack is empty little later than with `spread`; packed in earnest, it takes
# twice as long.
# %%
response_figure(study.response("makespan_s", over="topology.host_link", by="operation.placement"))
# %% [markdown]
# And how many hosts have new guests? That is in the rows that were kept of each migration.
# %%
hosts = study.table("migrations").groupby("run")["destination"].nunique()
told = frame.assign(hosts=frame["run"].map(hosts)).groupby("operation.placement")
told[["makespan_s", "hosts"]].mean().round(1)
# %% [markdown]
# A store is a directory of Parquet files: a row a run, which any tool reads.
# %%
runs = pd.read_parquet(store / "runs")
runs[["run", "seed", "changes", "makespan_s", "seconds"]].head(3)
# %% [markdown]
# ## More values, in the background
# Links that are faster, in the same store: what is recorded already is not run again. The cell
# returns at once; the study shows how far it is, and can be looked at while it runs.
# %%
wider = dcsim.Design(
    rack,
    axes=AXES | {"topology.host_link": ["10Gbit/s", "40Gbit/s", "200Gbit/s", "400Gbit/s"]},
    tables=["migrations"],
    **OPTIONS,
)
running = dcsim.start_sweep(wider, store=store, workers=2)
# %%
running.sweep.frame()["operation.placement"].value_counts()
# %%
while not running.done and (running.progress is None or running.progress.done < 90):
    time.sleep(0.1)
running.progress
# %% [markdown]
# Enough seen? The button ends it, and so does `cancel`: runs under way are recorded.
# %%
running.cancel()
assert running.wait()
running
# %% [markdown]
# The same study goes on from there, in the background or not.
# %%
study = dcsim.sweep(wider, store=store, executor=dcsim.local_executor(2))
assert len(study.frame()) == 5 * len(wider)
# %% [markdown]
# ## Another body is another placement
# What a placement does is part of what its runs are known by. When you change the function and run
# its cell again, only runs with that placement are done anew.
# %%
before = rack.replace({"operation.placement": "pack-gently"}).digest()


@register("pack-gently")
def pack_more_gently(room, guest, source):
    """Let one guest at most be on its way to any."""
    fullest_first = room.most_used_first(guest.memory_bytes)
    return sorted(fullest_first, key=lambda host: len(host.reserved) >= 1)


assert rack.replace({"operation.placement": "pack-gently"}).digest() != before
study = dcsim.sweep(design, store=store, executor=dcsim.local_executor(2))
assert not len(study.failures)
study.frame().groupby("operation.placement")["makespan_s"].mean().round(1)
