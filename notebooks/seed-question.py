# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Should a guest give up its clean page cache before it migrates?
# In March 2016 qemu-devel argued about which pages need not cross the network. Free pages, for
# sure; but also clean page cache, as a balloon would have it? "It is clearly going to slow the
# guest down significantly", said one side; "that's a matter for optimization", said the other,
# and why deflate the balloon before the guest has arrived? Nobody had numbers. Here they are, for
# guests of 1 GiB that differ in how much of their memory is cache, how often they read it again,
# and how fast their network and their storage are.
#
# Counted are all bytes over the network (the stream, and what is read again from storage), and
# the work that the guest does not do: for an hour after it has moved.
# %%
import itertools

import numpy as np
import pandas as pd
from IPython.display import Markdown
from plotly.subplots import make_subplots

import dcsim
from dcsim.study.checks.measurements import Config
from dcsim.study.checks.testbed import POLICIES as POLICY_NAMES
from dcsim.study.checks.testbed import Testbed
from dcsim.view import style

MIB, GIB = 2.0**20, 2.0**30
SHARES = (0.1, 0.2, 0.3, 0.39, 0.5, 0.6)  # of memory that is clean cache
PERIODS = {
    "10 s": 10.0,
    "68 s": 68.0,
    "5 min": 300.0,
    "30 min": 1800.0,
    "3 h": 10800.0,
    "1 day": 86400.0,
}
LINKS = {"64 MiB/s": 64 * MIB, "10 Gbit/s": 1.25e9}
STORAGES = {"1,000 IOPS, 1 ms": (1e3, 1e-3), "100,000 IOPS, 0.1 ms": (1e5, 1e-4)}
RESERVE = {"reserve": 24 * MIB}  # left with the guest by balloons, as in the measured runs
POLICIES = {  # from the least to the most intrusive
    "zero-page": "zero-page",
    "free-page-hint": "free-page-hint",
    "balloon-free": {"use": "balloon-free", **RESERVE},
    "guest-drop": "guest-drop",
    "balloon-held": {"use": "balloon-held", **RESERVE},
    "balloon-bounced": {"use": "balloon-bounced", **RESERVE},
    "clean-cache-hint": "clean-cache-hint",  # nobody has built it
}
BUILT = [name for name in POLICIES if name != "clean-cache-hint"]
KEEPS, GIVES_UP = BUILT[:3], BUILT[3:]
WITHIN_BYTES, WITHIN_S = 0.05, 0.5
"""As good as the best is who is within 5 % of its bytes, and within half a second of its work."""


def scenario(*, cache, reader, link, storage, hinting="zero-page"):
    """One guest that moves between two hosts: 256 MiB of process memory, cache, the rest free."""
    free = 1 - 0.25 - 0.07 - cache
    iops, latency = storage
    return dcsim.Scenario.model_validate(
        {
            "horizon": 3 * 3600.0,
            "settle": 3600.0,
            "record": "migrations",
            "topology": {
                "kind": "two-hosts",
                "host_link": link,
                "goodput": 1.0,
                "storage": {"iops": iops, "latency": latency, "bandwidth": 1e9},
            },
            "guests": [
                {
                    "name": "guest",
                    "memory": GIB,
                    "vcpus": 2,
                    "place": {"hosts": "rack0/host0"},
                    "workload": {
                        "memory": {
                            "free_zero": max(0.0, free - 0.2),
                            "free_stale": min(free, 0.2),
                            "cache": cache,
                            "kernel": 0.07,
                        },
                        "activities": [
                            {"do": "write", "rate": 3000 * 4096.0, "set": 64 * MIB},
                            {"do": "read", **reader},
                        ],
                    },
                }
            ],
            "migration": {"max_bandwidth": None},
            "hinting": hinting,
            "operation": {"kind": "drain", "hosts": "rack0/host0"},
        }
    )


# %% [markdown]
# Every guest, every policy: each page of the cache is as likely as any other to be read next, by
# one reader that paces itself.
# %%
runs = []
for (link, storage), share, period, policy in itertools.product(
    itertools.product(LINKS, STORAGES), SHARES, PERIODS, POLICIES
):
    result = dcsim.run(
        scenario(
            cache=share,
            reader={"rate": share * GIB / PERIODS[period], "set": share},
            link=LINKS[link],
            storage=STORAGES[storage],
            hinting=POLICIES[policy],
        )
    )
    cost = {name: result.metrics[name] for name in ("network_bytes", "lost_work_s")}
    runs.append(
        {"link": link, "storage": storage, "share": share, "period": period, "policy": policy}
        | cost
    )
runs = pd.DataFrame(runs)
GUEST = ["link", "storage", "share", "period"]
network = runs.pivot(index=GUEST, columns="policy", values="network_bytes")[list(POLICIES)]
lost = runs.pivot(index=GUEST, columns="policy", values="lost_work_s")[list(POLICIES)]

# %% [markdown]
# ## Where each policy wins
# The colour is the policy to take: of all that are as good as the best, the least intrusive, in
# the order of the key. Where one that gives up clean cache and one that leaves it alone are both
# as good as the best, it is grey. The figures say what the best that gives up cache changes,
# against the best that leaves it: bytes, and seconds of work. The star is where migrations were
# measured.
# %%
good = {
    "bytes over the network": network[BUILT].le(
        network[BUILT].min(axis=1) * (1 + WITHIN_BYTES), axis=0
    ),
    "work lost by the guest": lost[BUILT].le(lost[BUILT].min(axis=1) + WITHIN_S, axis=0),
}
good["both"] = good["bytes over the network"] & good["work lost by the guest"]
change = {
    "bytes over the network": network[GIVES_UP].min(axis=1) / network[KEEPS].min(axis=1) - 1,
    "work lost by the guest": lost[GIVES_UP].min(axis=1) - lost[KEEPS].min(axis=1),
}
texts = {
    what: change[what].map(form.format).replace({form.format(zero): "0" for zero in (0.0, -0.0)})
    for what, form in zip(change, ("{:+.0%}", "{:+.1f}"), strict=True)
}
EITHER, NEITHER = "keep or give up: no difference", "none is best in both"


def best_of(ok):
    """Name the policy to take for each guest, of those that are as good as the best."""
    either = ok[KEEPS].any(axis=1) & ok[GIVES_UP].any(axis=1)
    return ok.idxmax(axis=1).mask(either, EITHER).mask(~ok.any(axis=1), NEITHER)


best = {what: best_of(ok) for what, ok in good.items()}
COLOURS = {
    "zero-page": "#cc79a7",
    "free-page-hint": "#56b4e9",
    "balloon-free": "#44aa99",
    "guest-drop": "#999933",
    "balloon-held": "#e69f00",
    "balloon-bounced": "#d55e00",
    EITHER: "#e4e7ec",
    NEITHER: "#cc6677",
}


def region_map():
    """Draw the winners: a row for each measure, a column for each link and storage."""
    columns = list(itertools.product(LINKS, STORAGES))
    drawn = make_subplots(
        rows=len(best),
        cols=len(columns),
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.015,
        vertical_spacing=0.05,
        column_titles=[f"link {link}<br>storage {storage}" for link, storage in columns],
    )
    codes = {name: i for i, name in enumerate(COLOURS)}
    scale = [
        (edge / len(COLOURS), colour)
        for i, colour in enumerate(COLOURS.values())
        for edge in (i, i + 1)
    ]
    for row, (what, winners) in enumerate(best.items(), 1):
        for column, place in enumerate(columns, 1):
            cells = winners.loc[place].unstack("share").loc[list(PERIODS)]
            marks = (
                texts[what].loc[place].unstack("share").loc[list(PERIODS)]
                if what in texts
                else None
            )
            drawn.add_heatmap(
                x=[f"{100 * share:.0f}" for share in SHARES],
                y=list(PERIODS),
                z=cells.map(codes.get),
                zmin=-0.5,
                zmax=len(codes) - 0.5,
                colorscale=scale,
                showscale=False,
                xgap=1,
                ygap=1,
                text=marks,
                texttemplate="%{text}" if what in texts else None,
                textfont={"size": 10, "color": style.INK},
                customdata=cells,
                hovertemplate="cache %{x} %, read again in %{y}: %{customdata}<extra></extra>",
                row=row,
                col=column,
            )
        drawn.update_yaxes(title_text=f"<b>{what}</b><br>cache is read again in", row=row, col=1)
    drawn.add_scatter(
        x=["39"],
        y=["68 s"],
        mode="markers",
        row=len(best),
        col=1,
        name="measured with QEMU 10.0.2",
        marker={
            "symbol": "star",
            "size": 14,
            "color": "#ffffff",
            "line": {"color": style.INK, "width": 1.5},
        },
    )
    for name, colour in COLOURS.items():
        if any((winners == name).any() for winners in best.values()):
            drawn.add_scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=name,
                marker={"symbol": "square", "size": 13, "color": colour},
            )
    drawn.update_xaxes(type="category", title_text="clean cache, % of memory", row=len(best))
    drawn.update_yaxes(type="category")
    drawn.update_annotations(font_size=13)
    drawn.update_layout(
        template=style.template(),
        height=860,
        margin={"l": 10, "r": 12, "t": 72, "b": 10},
        legend={"y": -0.08, "x": 0.5, "xanchor": "center"},
    )
    return drawn


region_map()
# %% [markdown]
# ## The answer
# %%
BYTES, WORK = change
gains = good["both"][GIVES_UP].any(axis=1) & ~good["both"][KEEPS].any(axis=1)
keep = good["both"][KEEPS].any(axis=1) & ~good["both"][GIVES_UP].any(axis=1)
either, neither = best["both"] == EITHER, best["both"] == NEITHER
hurt = change[WORK] > WITHIN_S
AXES = {"link": "the link", "storage": "the storage", "share": "how much is cache"}
AXES |= {"period": "how often it is read again"}


def periods(cells):
    """Return the periods of some guests, in words."""
    some = set(cells[cells].index.get_level_values("period"))
    found = [name for name in PERIODS if name in some]
    return " to ".join(dict.fromkeys((found[0], found[-1]))) if found else "no time"


def percent(values):
    """Return the range of some shares, in words."""
    low, high = (f"{100 * value:.0f}" for value in (values.min(), values.max()))
    return f"{low} to {high} %" if len(values) else "nothing"


def decisive(cells):
    """Return how far each axis moves the share of guests for which something holds, most first."""
    spread = {}
    for axis in AXES:
        shares = cells.groupby(level=axis).mean()
        spread[axis] = shares.max() - shares.min()
    ordered = sorted(spread, key=spread.get, reverse=True)
    return ", ".join(f"{AXES[axis]} ({100 * spread[axis]:.0f})" for axis in ordered)


def beats(one, other):
    """Return for how many guests a policy beats another by more than the margins, in words."""
    fewer = network[one] * (1 + WITHIN_BYTES) < network[other]
    less = lost[one] + WITHIN_S < lost[other]
    return f"for {fewer.sum()} guests in bytes and for {less.sum()} in work"


unbuilt = 1 - network["clean-cache-hint"] / network[BUILT].min(axis=1)
dearer = (network["guest-drop"] > network["free-page-hint"]).sum()
Markdown(f"""
Of {len(gains)} guests, {gains.sum()} had best **give up** their clean cache, {keep.sum()} had best
**keep** it; for {either.sum()} it makes **no difference**, and for {neither.sum()} no policy is
best in both.

- *Give up* cache that is read again only in {periods(gains)}; an hour is counted. It saves
  {percent(-change[BYTES][gains])} of the bytes. Of these guests, {(hurt & gains).sum()} lose more
  than {WITHIN_S:g} s of work by it.
- *Keep* cache that is read again in {periods(keep)}. What is left out of the stream then comes from
  storage, over the same network: the bytes change by {percent(change[BYTES][keep])}. And the guest
  waits for it: {hurt.sum()} guests lose more than {WITHIN_S:g} s of work, up to
  {change[WORK].max():.0f} s.
- *What decides*, in percentage points of the guests that had best give up: {decisive(gains)}; of
  those that would lose work: {decisive(hurt)}.
- *Hold the balloon until the destination, or bounce it?* Held wins
  {beats("balloon-held", "balloon-bounced")}; bounced wins
  {beats("balloon-bounced", "balloon-held")}. While a balloon is held, a page that went is missed at
  each read; bounced, it is read from storage once, and sent after all.
- *The guest's own doing*, a drop and then hints of free pages, takes more bytes than hints alone
  for {dearer} guests: hardly any of what is dropped lies in free blocks that can be hinted.
- *A hint of clean cache*, which nobody has built, would save {percent(unbuilt[gains])} more than
  the best of the others, where cache had best be given up.
""")

# %% [markdown]
# ## What was measured
# One point of the map was measured with QEMU 10.0.2 in emulation (see docs, facts M): 1 GiB, 400
# MiB of cache of which 1,500 pages a second are read, 1,000 IOPS, 64 MiB/s. Beside it, what the
# model says of the same configurations, with the constants of that testbed; `dcsim verify`
# compares all of the runs.
# %%
MEASURED = {  # MiB sent, reads a second in the 5 s after: means of two runs, of the last one run
    "none": (1015.1, 1500),
    "fph": (817.7, 1498),
    "balloon-available": (451.5, 1130),
    "drop-fph": (856.8, 1216),
}
measured = []
for policy, (sent, reads) in MEASURED.items():
    config = Config(
        name=policy,
        policy=policy,
        ram_mib=1024,
        anon_mib=256,
        cache_mib=400,
        garbage_mib=200,
        reserve_mib=24,
        dirty={"mode": "uni", "rate": 3000, "ws_mib": 64},
        read={"mode": "uni", "rate": 1500},
        bw_mibps=64,
        disk_iops=1000,
        disk_mibps=200,
        append="init_on_alloc=0",
        post_s=5,
        time_limit_s=35,
    )
    result = dcsim.run(dcsim.Scenario.model_validate(Testbed().scenario(config)))
    after = result.table("phases").set_index("phase").loc["after"]
    measured.append(
        {
            "policy": POLICY_NAMES.get(policy, "guest-drop"),
            "sent, measured (MiB)": sent,
            "sent, model (MiB)": result.metrics["migration_bytes"] / MIB,
            "reads/s after, measured": reads,
            "reads/s after, model": after.read_pages / (after.to_s - after.from_s),
        }
    )
pd.DataFrame(measured).set_index("policy").round(0).astype(int)
# %% [markdown]
# ## "That's a matter for optimization"
# Real caches are read unevenly: the coldest pages can go although the hottest must not. For a
# guest whose reads follow Zipf's law over 2 GiB of files, each share of the cache is tried; the
# stars are what the policy `adapt` chooses before the migration begins, at the same price of a
# lost second.
# %%
PRICES = {"network only": 0.0, "a lost second is 10 MB": 1e7, "a lost second is 30 MB": 3e7}
zipf = {"rate": "max", "work": "20us", "set": 2 * GIB, "pattern": {"kind": "zipf", "alpha": 1.1}}


def given_up(**changes):
    """Return the costs of giving up some of the cache, and how much of it went."""
    hinting = {"use": "balloon-held", **RESERVE, **changes}
    result = dcsim.run(
        scenario(cache=0.5, reader=zipf, link=1.25e9, storage=(1e6, 2e-4), hinting=hinting)
    )
    row = result.migrations.iloc[0]
    return row["dropped_pages"] * 4096 / (0.5 * GIB), result.metrics


sweep = [given_up(share=share / 10) for share in range(11)]
optimum = style.figure(height=420)
for (name, price), (colour, _) in zip(
    PRICES.items(), style.variant_styles(PRICES).values(), strict=True
):
    costs = [metrics["network_bytes"] + price * metrics["lost_work_s"] for _, metrics in sweep]
    share, metrics = given_up(adapt={"lost_second": price})
    cost = metrics["network_bytes"] + price * metrics["lost_work_s"]
    optimum.add_scatter(
        x=[100 * gone for gone, _ in sweep],
        y=np.array(costs) / costs[0],
        name=name,
        line_color=colour,
    )
    optimum.add_scatter(
        x=[100 * share],
        y=[cost / costs[0]],
        mode="markers",
        showlegend=False,
        marker={
            "symbol": "star",
            "size": 15,
            "color": colour,
            "line": {"color": "#1f2430", "width": 1},
        },
    )
optimum.update_xaxes(title_text="clean cache given up, %")
optimum.update_yaxes(title_text="cost, relative to giving up none")
optimum.update_layout(legend={"y": 1.12, "x": 0})
optimum
# %% [markdown]
# ## What is not known
# - No measurement was found of what a cache-heavy server loses after its clean cache is dropped:
#   the slow-down is the model's, and a reader that must answer at once loses more than one that
#   paces itself.
# - No published re-read rates or dirty rates by application: they are axes here because they are
#   not known.
# - How fast a kernel drops clean pages, and what scanning a ballooned page costs on hardware, was
#   measured in emulation only; it decides how long migrations take, not how many bytes they send.
# - An hour is counted. Count a day, and the border moves to caches that are read again within
#   days.
