"""A study in words: a sentence a variant, with how sure it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dcsim import units
from dcsim.study.comparisons.answers import compared, outcomes, told
from dcsim.study.findings.statistics import paired_change, paired_difference, words

if TYPE_CHECKING:
    from dcsim.study.comparisons.study import Study


def tell(study: Study) -> str:
    """Return the study in words; see `Study.summary`."""
    return "\n".join(_lines(study))


def notes(study: Study) -> Iterator[str]:
    """Yield what to know before a comparison is read: how many runs, how sure, what was kept."""
    yield f"{study.name}: {len(study.variants)} variants, {_certainty(study)}"
    if study.keeping:
        yield f"Guests of {', '.join(study.keeping)} keep their own hinting policy in all of them."


def _lines(study: Study) -> Iterator[str]:
    yield from notes(study)
    yield from _of_operations(study) if study.of_operations else _of_policies(study)
    if study.failures:
        kinds = Counter(run.error for run in study.failures)
        counted = ", ".join(f"{count} {error}" for error, count in kinds.items())
        first = study.failures[0]
        yield (
            f"{len(study.failures)} of {len(study.runs)} runs failed: {counted}; "
            f"the first, {first.variant}, says: {first.message}"
        )


def _of_operations(study: Study) -> Iterator[str]:
    """Yield which variant does best what is asked, and a sentence a variant."""
    found = outcomes(study)
    yield from compared(found)
    for each in found:
        yield told(each)
    alive = {each.variant for each in found}
    yield from (f"{name}: every run failed." for name in study.variants if name not in alive)


def _of_policies(study: Study) -> Iterator[str]:
    """Yield what each policy costs against its baseline, a sentence a policy."""
    within: dict[str, object] = {}
    told: set[str] = set()
    for variant, base in study.pairs():
        changes = study.first(variant).changes
        if study.first(base).changes == changes != within:
            within = changes
            yield f"With {', '.join(f'{path} = {value}' for path, value in changes.items())}:"
        if base not in told:
            told.add(base)
            yield _alone(study, base)
        yield _against(study, variant, base)
    for variant in study.variants if not told else ():
        yield _alone(study, variant)


def _certainty(study: Study) -> str:
    replications = len({run.replicate for run in study.runs})
    if not study.random:
        return "one run of each: nothing in it is random, so there is no interval."
    random = f"Random: {'; '.join(study.random)}."
    if replications == 1:
        return f"one replication of each, which gives no interval. {random}"
    return (
        f"{replications} replications of each, paired by the same random numbers; "
        f"in brackets, 95 % confidence intervals. {random}"
    )


def _name(study: Study, variant: str) -> str:
    """Return what a sentence calls a variant: what else was varied stands above the sentence."""
    policies = {run.hinting for run in study.runs}
    return study.first(variant).hinting if len(policies) > 1 else variant


def _alone(study: Study, variant: str) -> str:
    name, network = _name(study, variant), mean(study.values("network_bytes", variant))
    if math.isnan(network):
        return f"{name}: every run failed."
    lost = mean(study.values("lost_work_s", variant))
    return (
        f"{name} puts {units.format_size(network)} on the network, costs guests "
        f"{units.format_duration(lost)} of work and moves {_moved(study, variant)} guests."
    )


def _against(study: Study, variant: str, base: str) -> str:
    name, other = _name(study, variant), _name(study, base)
    network = study.paired("network_bytes", variant, base)
    work = study.paired("lost_work_s", variant, base)
    pairs = len(network[0])
    if not pairs:
        return f"{name}: no run to compare with {other}."
    if network[0] == network[1] and work[0] == work[1]:
        return f"{name} costs network and guests exactly what {other} does."
    tail = f"than {other} on the network"
    change, lost = paired_change(*network), paired_difference(*work)
    if math.isnan(change.mean):  # the baseline sends nothing
        sent = words(paired_difference(*network), unit="GiB", scale=2**-30, tail=tail)
    else:
        sent = words(change, unit="%", scale=100, tail=tail)
    unit, scale = ("ms", 1000) if abs(lost.mean) < 1 else ("s", 1)
    sentence = (
        f"{name} puts {sent}{f' (n = {pairs} paired)' if pairs > 1 else ''} "
        f"and costs guests {words(lost, unit=unit, scale=scale, tail='work')}."
    )
    unmoved = paired_difference(*study.paired("not_moved", variant, base))
    if unmoved.mean:
        sentence += f" It moves {_moved(study, variant)} guests, {other} {_moved(study, base)}."
    return sentence


def _moved(study: Study, variant: str) -> str:
    """Return how many of how many, on average over replicates."""
    requested = mean(study.values("requested", variant))
    moved = requested - mean(study.values("not_moved", variant))
    return f"{units.format_count(moved)} of {units.format_count(requested)}"


def mean(values: list[float]) -> float:
    """Return the mean; NaN of nothing."""
    return math.fsum(values) / len(values) if values else math.nan
