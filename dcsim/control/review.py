"""What operations came to, beside the best that they could have come to, from what was recorded."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from dcsim.control.bounds import (
    Least,
    critical_path,
    cuts_of,
    lower_bound,
    out_of_a_host,
    sending_s,
)
from dcsim.control.dispatch import Management
from dcsim.model.stream import Settings
from dcsim.records.summary import COLD
from dcsim.records.tables import Columns
from dcsim.units import format_duration

if TYPE_CHECKING:
    from dcsim.control.operations import OperationPlan
    from dcsim.scenario.topology import Network

MOST_NAMED: Final = 5
"""Guests of a critical path that are named; of a longer one the first and the last."""
TAKES_NONE: Final = frozenset({"drain", "evacuate"})
"""Kinds of operations whose hosts take no guests from their start on."""
NOT_AWAY: Final = frozenset({"drain", "move back"})
"""Steps of a host's maintenance that moving guests takes."""


class Review(NamedTuple):
    """What an operation could have come to at best, and what made it as long as it was.

    Attributes
    ----------
    lower_bound_s, bound
        No schedule would have been faster; what that time is for, in words.
    critical_steps, critical_path
        How many migrations, or hosts where they are done by turns, followed one another until the
        last one ended; which ones, in words.
    """

    lower_bound_s: float = math.nan
    bound: str = ""
    critical_steps: int = 0
    critical_path: str = ""


class Reviewer:
    """Reviews the operations of one run.

    Parameters
    ----------
    migrations, maintenance
        What the tables of these names hold.
    network
        The links.
    settings
        Migration settings by group.
    management
        The rules in force.
    """

    def __init__(
        self,
        *,
        migrations: Columns,
        maintenance: Columns,
        network: Network,
        settings: Mapping[str, Settings],
        management: Management,
    ) -> None:
        self._settings = settings
        self._management = management
        dedicated = network.links_of_class("migration")
        others = frozenset(range(len(network.link_names))) - dedicated if dedicated else ()
        self._cuts = list(cuts_of(network, without=others))
        self._out = {
            host: cut.capacity
            for cut in self._cuts
            if len(cut.inside) == 1 and not cut.comes
            for host in cut.inside
        }
        self._moves: dict[str, list[int]] = defaultdict(list)
        for row, operation in enumerate(migrations["operation"]):
            self._moves[operation].append(row)
        self._migrations = migrations
        self._away: dict[str, dict[str, float]] = defaultdict(dict)
        self._turns: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
        steps = (maintenance[key] for key in ("operation", "host", "step", "from_s", "to_s"))
        for operation, host, step, from_s, to_s in zip(*steps, strict=True):
            began_s, _ = self._turns[operation].get(host, (from_s, to_s))
            self._turns[operation][host] = began_s, to_s
            if step not in NOT_AWAY:
                away = self._away[operation]
                away[host] = away.get(host, 0.0) + to_s - from_s

    def review(self, plan: OperationPlan, hosts: Sequence[str]) -> Review:
        """Return what one operation could have come to.

        Parameters
        ----------
        plan
            The operation.
        hosts
            The names of its hosts.
        """
        rows = self._moves[plan.name]
        caps = self._management.caps
        bound = lower_bound(
            list(self._least(rows, listed=plan.kind == "moves")),
            cuts=self._cuts,
            closed=hosts if plan.kind in TAKES_NONE else (),
            per_cluster=caps.per_cluster,
            per_host_out=out_of_a_host(caps),
            hosts_at_once=plan.at_once,
            maintenance_s=self._away.get(plan.name),
        )
        by_turns = plan.at_once < len(hosts)
        path = list(self._hosts_in_turn(plan.name) if by_turns else self._moves_in_turn(rows))
        named = [f"{name} {format_duration(took_s)}" for name, took_s in path]
        if len(named) > MOST_NAMED:
            named[MOST_NAMED - 1 : -1] = [f"{len(named) - MOST_NAMED} more"]
        return Review(*bound, len(path), ", ".join(named))

    def _moves_in_turn(self, rows: Sequence[int]) -> Iterator[tuple[str, float]]:
        """Yield the guests of the critical path, with the time of each."""
        keys = ("guest", "started_s", "ended_s", "after")
        moves = [{key: self._migrations[key][row] for key in keys} for row in rows]
        for move in critical_path(moves):
            yield move["guest"], move["ended_s"] - move["started_s"]

    def _hosts_in_turn(self, operation: str) -> list[tuple[str, float]]:
        """Return the hosts of which each was begun as the one before was done, the last one last.

        That is the critical path of an operation that does so many hosts at a time.
        """
        turns = self._turns[operation]
        done_at = {to_s: host for host, (_, to_s) in turns.items()}
        path: list[tuple[str, float]] = []
        host = max(turns, key=lambda host: turns[host][1], default=None)
        while host is not None:
            from_s, to_s = turns[host]
            path.append((host, to_s - from_s))
            host = done_at.get(from_s) if from_s < to_s else None
        return path[::-1]

    def _least(self, rows: Sequence[int], *, listed: bool) -> Iterator[Least]:
        """Yield the least that each guest's first move took."""
        table, control_s = self._migrations, self._management.patience.control_plane_s
        moved: set[str] = set()
        for row in rows:
            guest, outcome, source = (table[key][row] for key in ("guest", "outcome", "source"))
            if guest in moved or not outcome.startswith("completed"):
                continue
            moved.add(guest)
            settings = self._settings[table["group"][row]]
            least = Least(guest, source, to=table["destination"][row] if listed else "")
            if outcome == COLD:
                yield least._replace(before_s=control_s, after_s=settings.cold_restart)
                continue
            first, last = table["first_pass_bytes"][row], table["switchover_bytes"][row]
            yield least._replace(
                sent_bytes=first + last,
                sending_s=sending_s(settings, wire=self._out[source], capped=first, uncapped=last),
                before_s=control_s,
                after_s=settings.activation,
            )
