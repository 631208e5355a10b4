"""Why one migration took as long as it did, or came to nothing: in words, from a result's tables.

Tables are in SI; the words have units that read best, sizes in powers of 1024 and rates in bit/s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dcsim.errors import ResultError, did_you_mean
from dcsim.model.transport import Pending, Transport
from dcsim.records.summary import COLD, LIVE
from dcsim.records.tables import CAUSES
from dcsim.scenario.policy import Migration
from dcsim.simulation.plain import settings_of
from dcsim.units import PAGE
from dcsim.view.style import CAUSE_NAMES, human

if TYPE_CHECKING:
    from dcsim.records.result import Result

Row = dict[str, Any]

_CLOSE: Final = 0.93  # a bound explains a time if it accounts for this share of it
_MOST_ROUNDS: Final = 1000
_MOST_FAULTS: Final = 4
_FAULTS: Final = frozenset({"failure", "recovery", "abort"})
_PHASES: Final = {
    "re-sent": "sending again",
    "switch-over": "paused",
    "post-copy": "waiting for pages to follow",
}


def explain(result: Result, guest: str) -> str:
    """Say in words how the migration of one guest went, and what would help.

    Parameters
    ----------
    result
        A run whose migrations were recorded; with ``record: full`` the rounds are told as well.
    guest
        The guest's name; of several migrations the last is told.

    Returns
    -------
    str
        A headline, then a line for each thing there is to say.

    Raises
    ------
    ResultError
        If no operation asked to move such a guest, or migrations were not recorded.

    Examples
    --------
    >>> import dcsim
    >>> result = dcsim.run(dcsim.load("quick-start"))
    >>> print(explain(result, "file-server-0"))
    file-server-0: rack0/host0 to rack0/host1, completed after ... s, paused ... ms.
    Where the time went: first pass ...
    """
    moves = _rows(result, "migrations", guest)
    if not moves:
        names = [str(name) for name in result.migrations["guest"].unique()]
        meant = did_you_mean(guest, names)
        message = f"no operation asked to move a guest {guest[:80]!r}"
        raise ResultError(f"{message}; did you mean {meant!r}?" if meant else message)
    move = max(moves, key=lambda row: (_started(row), row["requested_s"]))
    told = _Told(result, move, _rounds(result, move))
    lines = [told.headline(), told.where_the_time_went(), told.before(), told.first_pass()]
    lines += [
        told.later_rounds(),
        told.balance(),
        told.blackout(),
        told.following(),
        told.faults(),
        told.traffic(),
        told.lost_work(),
    ]
    if len(moves) > 1:
        lines.append(f"It was asked to move {len(moves)} times; this is the last.")
    lines += told.advice()
    return "\n".join(line for line in lines if line).replace("\u00a0", " ")


@dataclass(frozen=True, slots=True)
class _Told:
    """One migration and what is known of it."""

    result: Result
    move: Row
    rounds: list[Row]

    # ------------------------------------------------------------------ what was asked

    @property
    def group(self) -> Row:
        """The guest's group as the scenario has it; empty if it cannot be found."""
        for entry in self.result.scenario.get("guests", ()):
            if self.move["group"] == (entry.get("name") or entry.get("workload", {}).get("name")):
                return dict(entry)
        return {}

    def setting(self, name: str, default: float) -> float:
        """One of the migration's settings, by the guest's group if it has its own."""
        settings = self.group.get("migration") or self.result.scenario.get("migration", {})
        value = settings.get(name)
        return default if value is None else float(value)

    @property
    def transport(self) -> Transport:
        """What pages cost on their way."""
        settings = self.group.get("migration") or self.result.scenario.get("migration", {})
        known = {key: value for key, value in settings.items() if value is not None}
        return settings_of(Migration.model_validate(known)).transport

    @property
    def cap(self) -> float:
        """The cap of the stream, B/s; infinite where there is none."""
        return self.setting("max_bandwidth", math.inf)

    @property
    def wire(self) -> tuple[str, float]:
        """The link that the source host sends through, and its capacity."""
        links = self.result.links
        mine = links[links["link"].str.startswith(f"{self.move['source']}->")]
        if mine.empty:
            return "", math.nan
        return str(mine["link"].iloc[0]), float(mine["capacity_bytes_per_s"].max())

    # ------------------------------------------------------------------ what happened

    @property
    def streamed(self) -> bool:
        """Whether anything was sent."""
        return not math.isnan(self.move["stream_s"])

    @property
    def completed(self) -> bool:
        """Whether the guest moved live."""
        return str(self.move["outcome"]) in LIVE

    @property
    def later(self) -> list[Row]:
        """Rounds after the first pass, the switch-over left out."""
        return [row for row in self.rounds if row["kind"] == "re-sent"]

    @property
    def bandwidth(self) -> float:
        """What the stream had while it sent pages again, B/s; its mean if that is not known."""
        rounds = self.later or [row for row in self.rounds if row["kind"] == "first pass"]
        seconds = sum(row["to_s"] - row["from_s"] for row in rounds)
        if seconds > 0:
            return float(sum(row["sent_bytes"] for row in rounds) / seconds)
        return float(self.move["bandwidth_bytes_per_s"])

    def headline(self) -> str:
        """The outcome."""
        move = self.move
        way = f"{move['source']} to {move['destination'] or 'nowhere'}"
        way = f"{move['guest']}: {way}, {move['outcome']}"
        if math.isnan(move["started_s"]):
            return f"{way}: {move['reason'] or 'never admitted'}."
        took = f"{way} after {human(move['total_time_s'], 'seconds')}"
        if self.completed:
            why = f"; {move['reason']}" if move["reason"] else ""
            return f"{took}, paused {human(move['downtime_s'], 'seconds')}{why}."
        return f"{took}: {move['reason']}." if move["reason"] else f"{took}."

    def where_the_time_went(self) -> str:
        """The phases with their shares, longest first."""
        move = self.move
        parts = {"waiting for admission": _started(move) - move["requested_s"]}
        if self.streamed:
            parts["preparing"] = move["stream_s"] - move["started_s"]
            for row in self.rounds:
                name = _PHASES.get(str(row["kind"]), str(row["kind"]))
                parts[name] = parts.get(name, 0.0) + row["to_s"] - row["from_s"]
            if not self.rounds:
                pause = 0.0 if math.isnan(move["downtime_s"]) else move["downtime_s"]
                parts["streaming"] = move["ended_s"] - move["stream_s"] - pause
                parts["paused"] = pause
        whole = sum(parts.values())
        if not whole > 0 or not self.streamed:
            return ""
        ordered = sorted(parts.items(), key=lambda item: -item[1])
        said = [
            f"{name} {human(s, 'seconds')} ({100 * s / whole:.0f} %)"
            for name, s in ordered
            if s > 0.005 * whole
        ]
        return f"Where the time went: {', '.join(said)}."

    def before(self) -> str:
        """Waiting for admission, and what was done before the first byte."""
        move = self.move
        said = []
        waited = _started(move) - move["requested_s"]
        if waited > 0:
            limits = self.result.scenario.get("operation", {}).get("limits", {}).get("name", "")
            by = f" under the limits '{limits}'" if limits not in ("", "none", "inline") else ""
            said.append(f"It waited {human(waited, 'seconds')} for admission{by}.")
        prepared = (move["stream_s"] if self.streamed else move["ended_s"]) - move["started_s"]
        if prepared > 0 and move["outcome"] != COLD:
            share = move["policy_s"] / prepared
            part = "all of it" if share > 0.99 else f"{human(move['policy_s'], 'seconds')} of it"
            of = f", {part} for the policy {move['hinting']}" if share > 0.001 else ""
            if move["disk_s"] > 0:
                of += f", {human(move['disk_s'], 'seconds')} of it to copy the local disk"
            said.append(f"{human(prepared, 'seconds')} passed before the first byte{of}.")
        if self.streamed:
            taken = {
                "by hints": "skipped",
                "by the balloon": "ballooned",
                "by a disk map": "mapped",
            }
            sizes = {how: move[f"{column}_pages"] * PAGE for how, column in taken.items()}
            parts = [f"{human(size, 'bytes')} {how}" for how, size in sizes.items() if size > 0]
            if parts:
                said.append(f"The policy kept out of the stream {', '.join(parts)}.")
            if move["dropped_pages"] > 0:
                dropped = human(move["dropped_pages"] * PAGE, "bytes")
                said.append(f"The guest gave up {dropped} of page cache.")
        return " ".join(said)

    def first_pass(self) -> str:
        """What the first pass sent, how fast, and what held it back."""
        if not self.rounds or self.rounds[0]["kind"] != "first pass":
            return ""
        row = self.rounds[0]
        took = row["to_s"] - row["from_s"]
        if not took > 0:
            return ""
        memory = human(self.move["memory_bytes"], "bytes")
        rate = human(row["sent_bytes"] / took, "rate")
        return (
            f"First pass: {human(row['sent_bytes'], 'bytes')} of {memory} "
            f"in {human(took, 'seconds')}, {rate}; {self.held_back_by(row, took)}."
        )

    def held_back_by(self, row: Row, took: float) -> str:
        """What bounded the rate of a round: scanning, threads, a cap, a tunnel or the network."""
        transport = self.transport
        whole, empty = transport.whole, transport.zero
        pages = row["sent_pages"]
        normal = (row["sent_bytes"] - empty * pages) / (whole - empty) if whole > empty else pages
        normal = min(max(normal, 0.0), pages)
        ballooned = min(self.move["ballooned_pages"], pages - normal)
        sent = Pending(normal, pages - normal - ballooned, ballooned)
        scan = transport.scan_s(sent.zero) + transport.added_s(ballooned)
        sending = max(took - scan, 1e-9)
        scanned = f"{human(scan, 'seconds')} of it went into looking at zero pages"
        if scan > 0.5 * took:
            return f"{scanned}: fewer bytes would not make it much shorter"
        aside = f"; {scanned}" if scan > 0.05 * took else ""
        if row["sent_bytes"] / self.cap > _CLOSE * sending:
            return f"held back by the cap of {human(self.cap, 'rate')}{aside}"
        if transport.work_s(sent, row["sent_bytes"]) / transport.threads > _CLOSE * sending:
            channels = transport.threads
            threads = (
                "the sending thread" if channels == 1 else f"the threads of {channels} channels"
            )
            return f"held back by {threads}{aside}"
        if row["sent_bytes"] / transport.tunnel > _CLOSE * sending:
            return f"held back by the tunnel of {human(transport.tunnel, 'rate')}{aside}"
        link, capacity = self.wire
        if not link:
            return f"held back by its share of the network{aside}"
        if row["sent_bytes"] / capacity > _CLOSE * sending:
            return f"held back by the link {link} of {human(capacity, 'rate')}{aside}"
        share = f"its share of the network (the link {link} carries {human(capacity, 'rate')})"
        return f"held back by {share}{aside}"

    def later_rounds(self) -> str:
        """The rounds after the first, condensed."""
        rounds = self.later
        if not rounds:
            return ""
        seconds = sum(row["to_s"] - row["from_s"] for row in rounds)
        sent = human(sum(row["sent_bytes"] for row in rounds), "bytes")
        first, last = (human(rounds[i]["pending_pages"] * PAGE, "bytes") for i in (0, -1))
        count = "One more round" if len(rounds) == 1 else f"{len(rounds)} more rounds"
        fell = (
            f"{first} pending" if len(rounds) == 1 else f"{first} pending at first, {last} at last"
        )
        return f"{count}: {sent} sent again in {human(seconds, 'seconds')}, {fell}."

    def balance(self) -> str:
        """Dirtying against sending."""
        dirty, bandwidth = self.move["dirty_bytes_per_s"], self.bandwidth
        if math.isnan(dirty) or not bandwidth > 0:
            return ""
        pace = f"pages got dirty again at {human(dirty, 'rate')} ({human(dirty, 'bytes')} a second)"
        said = f"In its last full round {pace}; the stream had {human(bandwidth, 'rate')}"
        if dirty >= bandwidth:
            return f"{said}: no round can leave less than it began with."
        return f"{said}: each round leaves {100 * dirty / bandwidth:.2g} % of what it began with."

    def blackout(self) -> str:
        """The pause and its parts."""
        move = self.move
        if not self.completed:
            return ""
        said = f"Paused {human(move['downtime_s'], 'seconds')}"
        last = next((row for row in self.rounds if row["kind"] == "switch-over"), None)
        activation = self.setting("activation", 0.0)
        if last is not None:
            pages = human(last["pending_pages"] * PAGE, "bytes")
            sending = max(last["to_s"] - last["from_s"] - activation, 0.0)
            what = f"tell of {pages} to come" if move["follow_s"] > 0 else f"send {pages}"
            said += f": {human(sending, 'seconds')} to {what} and the devices' state"
            said += (
                f", {human(activation, 'seconds')} to start at the destination"
                if activation
                else ""
            )
        limit = float(move["downtime_limit_s"])
        if not limit > 0:
            limit = self.setting("downtime_limit", math.nan)
        if not math.isnan(limit) and not move["follow_s"] > 0:
            said += f"; the limit aimed at was {human(limit, 'seconds')}"
        if move["unreachable_s"] > 0:
            said += f". Then unreachable for {human(move['unreachable_s'], 'seconds')}"
        return f"{said}."

    def following(self) -> str:
        """What came after the guest."""
        move = self.move
        if not move["follow_s"] > 0:
            return ""
        return (
            f"It ran for {human(move['follow_s'], 'seconds')} before all its pages were there: "
            f"{human(move['postcopy_bytes'], 'bytes')} followed it, "
            f"{human(move['faulted_pages'] * PAGE, 'bytes')} of it because it waited for them."
        )

    def faults(self) -> str:
        """What failed while it was under way, and what was over."""
        events = self.result.columns.get("events", {"time_s": (), "event": ()})
        rows = zip(*events.values(), strict=True)
        happened = [
            f"at {human(at_s, 'seconds')} {name}: {words}"
            for at_s, event, name, words in (row for row in rows if row[1] in _FAULTS)
            if self.move["started_s"] <= at_s <= self.move["ended_s"]
        ]
        if not happened:
            return ""
        more = f"; {len(happened) - _MOST_FAULTS} more" if len(happened) > _MOST_FAULTS else ""
        return f"Meanwhile, {'; '.join(happened[:_MOST_FAULTS])}{more}."

    def traffic(self) -> str:
        """What it cost the network."""
        move = self.move
        if not self.streamed:
            return ""
        said = f"It sent {human(move['sent_bytes'], 'bytes')} in all, "
        said += f"{100 * move['sent_bytes'] / move['memory_bytes']:.0f} % of the guest's memory"
        if move["prefetch_bytes"] > 0:
            read = human(move["prefetch_bytes"], "bytes")
            said += f", and read {read} from storage at the destination"
        return f"{said}."

    def lost_work(self) -> str:
        """What the guest lost over the whole run."""
        rows = _rows(self.result, "guests", self.move["guest"])
        if not rows or not rows[0]["lost_work_s"] > 0:
            return ""
        row = rows[0]
        causes = sorted(CAUSES, key=lambda cause: -row[f"lost_{cause}_s"])
        parts = [
            f"{human(row[f'lost_{cause}_s'], 'seconds')} to {CAUSE_NAMES.get(cause, cause)}"
            for cause in causes
            if row[f"lost_{cause}_s"] > 0.01 * row["lost_work_s"]
        ]
        lost = human(row["lost_work_s"], "seconds")
        return f"Over the whole run the guest lost {lost} of work: {', '.join(parts)}."

    # ------------------------------------------------------------------ what would help

    def advice(self) -> list[str]:
        """What would have let it converge, or made it shorter."""
        if not self.later or self.completed or str(self.move["outcome"]) == "guest-oom":
            return []
        dirty, bandwidth = float(self.move["dirty_bytes_per_s"]), self.bandwidth
        limit = self.setting("downtime_limit", math.nan)
        low = (
            min(
                row["dirtied_pages"]
                for row in self.rounds
                if row["kind"] not in ("switch-over", "post-copy")
            )
            * PAGE
        )
        said = []
        if dirty < bandwidth:
            said.append(self.patience(dirty, bandwidth, limit))
        else:
            capacity = self.wire[1]
            rate = human(dirty, "rate")
            if self.cap < dirty and not dirty >= capacity:
                said.append(f"a cap above {rate} (it was {human(self.cap, 'rate')})")
            elif dirty < capacity:
                said.append(
                    f"more than {rate} for this stream, by fewer migrations at a time "
                    f"(its link carries {human(capacity, 'rate')})"
                )
            elif not math.isnan(capacity):
                said.append(
                    f"no cap: even its whole link, {human(capacity, 'rate')}, is slower than {rate}"
                )
        if not math.isnan(limit) and low / bandwidth > limit:
            needed = human(low / bandwidth, "seconds")
            said.append(f"a downtime limit above {needed} (it was {human(limit, 'seconds')})")
        said = [words for words in said if words]
        return [f"What would help: {'; or '.join(said)}."] if said else []

    def patience(self, dirty: float, bandwidth: float, limit: float) -> str:
        """How much longer a migration that was converging would have needed."""
        pending = self.rounds[-1]["dirtied_pages"] * PAGE
        if math.isnan(limit) or not pending > 0 or not dirty > 0:
            return ""
        count = math.ceil(
            max(1.0, math.log(limit * bandwidth / pending) / math.log(dirty / bandwidth))
        )
        ratio = dirty / bandwidth
        seconds = pending / bandwidth * (1 - ratio**count) / (1 - ratio)
        if count > _MOST_ROUNDS:
            return ""
        more = "one more round" if count == 1 else f"some {count} more rounds"
        return f"time for {more}, about {human(seconds, 'seconds', digits=2)}: it was converging"


def _rows(result: Result, table: str, guest: str) -> list[Row]:
    frame = getattr(result, table)
    return [
        {str(key): value for key, value in row.items()}
        for row in frame[frame["guest"] == guest].to_dict("records")
    ]


def _rounds(result: Result, move: Row) -> list[Row]:
    """Return the rounds of one migration in order; none where they were not recorded."""
    try:
        rows = _rows(result, "rounds", move["guest"])
    except ResultError:
        return []
    mine = [row for row in rows if row["started_s"] == move["started_s"]]
    return sorted(mine, key=lambda row: (row["from_s"], row["round"]))


def _started(move: Row) -> float:
    """Return when it was admitted, or where it never was, when it ended."""
    started = move["started_s"]
    return float(move["ended_s"] if math.isnan(started) else started)
