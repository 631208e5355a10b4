# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # What if the guests left their page cache behind?
# A rack is drained. Load a scenario, change it, run it, compare policies, look at five figures.
# %%
import dcsim
from dcsim.view import plots

rack = dcsim.load("rack-drain").replace({"guests[0].count": 8, "settle": "2min"})
rack
# %%
result = dcsim.run(rack.replace({"hinting": "balloon-held"}))
print(dcsim.explain(result, "files-0"))
# %%
study = dcsim.compare(rack, hinting=["zero-page", "free-page-hint", "balloon-held"], replications=2)
print(study.summary())
# %% [markdown]
# What each policy saves on the network, and what it costs the guests.
# %%
plots.tradeoff(study.frame())
# %%
plots.costs(study.frame())
# %%
plots.slowdown_cdf(study.table("guests"))
# %% [markdown]
# One run in time: the migrations, and the links they shared.
# %%
plots.gantt(result.migrations, result.rounds)
# %%
plots.utilisation(result.link_rates, result.links, from_s=rack.operation.at)
