"""Kinds of operations that have rules of their own, in the forms in which control has them."""

from __future__ import annotations

import math

from dcsim.control.operations.consolidation import Consolidator
from dcsim.control.operations.evacuation import EvacuationPlan
from dcsim.control.operations.notices import NoticesPlan
from dcsim.control.operations.rebalance import Balancer
from dcsim.control.operations.upgrade import UpgradePlan
from dcsim.scenario import spec
from dcsim.simulation.plain import distribution_of, limit


def rules_of(operation: spec.Operation, host: spec.Host) -> object:
    """Return the rules that only operations of its kind have, if it has any."""
    match operation:
        case spec.Upgrade():
            return upgrade_of(operation)
        case spec.Evacuate():
            return EvacuationPlan(operation.deadline)
        case spec.Notices():
            return notices_of(operation)
        case spec.Rebalance():
            return balancer_of(operation.balancer)
        case spec.Consolidate():
            return consolidator_of(operation, host)
    return None


def upgrade_of(rules: spec.Upgrade) -> UpgradePlan:
    """Return what is done with each host of an upgrade."""
    check = rules.check
    return UpgradePlan(
        reboot=distribution_of(rules.reboot),
        check=None if check is None else distribution_of(check.lasts),
        fails=0.0 if check is None else check.fails,
        attempts=1 if check is None else check.attempts,
        stops=rules.left == "stop",
        moves_back=bool(rules.move_back),
    )


def notices_of(rules: spec.Notices) -> NoticesPlan:
    """Return when hosts get notices, and what comes then."""
    return NoticesPlan(
        times_s=tuple(rules.times or ()),
        every=None if rules.every is None else distribution_of(rules.every),
        most=limit(rules.count),
        in_order=rules.pick == "in-order",
        notice_s=rules.notice,
        loses=rules.left == "lose",
        away=None if rules.away is None else distribution_of(rules.away),
    )


def balancer_of(rules: spec.Balancer) -> Balancer:
    """Return when loads are evened out, and by which moves."""
    return Balancer(
        metric=rules.metric,
        measure=rules.measure,
        threshold=rules.threshold,
        target=rules.threshold if rules.target is None else rules.target,
        margin=rules.margin,
        hold=rules.hold,
        every_s=rules.every,
        cooldown_s=rules.cooldown,
        guest_cooldown_s=rules.guest_cooldown,
        moves=limit(rules.moves),
        per_byte=rules.prefer == "most-even-per-byte",
    )


def consolidator_of(rules: spec.Consolidate, host: spec.Host) -> Consolidator:
    """Return which hosts are emptied, and what becomes of them."""
    return Consolidator(
        fill=rules.fill,
        below=rules.below,
        keep=rules.keep,
        spare=rules.spare,
        power_off_s=rules.power_off,
        every_s=limit(rules.every),
        wake_above=math.inf if rules.wake is None else rules.wake.above,
        wake_s=0.0 if rules.wake is None else rules.wake.takes,
        idle_power_w=math.nan if host.idle_power_w is None else host.idle_power_w,
    )
