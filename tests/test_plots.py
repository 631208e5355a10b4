"""Figures: what they show is what the tables say, in units that can be read."""

from __future__ import annotations

import html
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.errors import ResultError
from dcsim.records.tables import CAUSES, KINDS
from dcsim.units import PAGE, GiB
from dcsim.view import labels, plots, style, traffic
from dcsim.view.costs import BYTE_COLUMNS, LOSS_COLUMNS
from tests.view_data import CAPACITY, changed, fake_result, fake_study


@pytest.fixture(scope="module")
def study():
    """A study of three policies, three runs each."""
    return fake_study(["zero-page", "free-page-hint", "balloon-held"])


@pytest.fixture(scope="module")
def result():
    """One run."""
    return fake_result()


def text(drawn):
    """All texts that stand in a figure."""
    return drawn.to_json()


# ---------------------------------------------------------------- looks


def test_every_kind_cause_and_phase_has_a_colour_of_its_own():
    for colours, names in (
        (style.KIND_COLOURS, KINDS),
        (style.CAUSE_COLOURS, CAUSES),
    ):
        assert set(colours) == set(names)
        assert len(set(colours.values())) == len(names)


def test_thirty_two_variants_look_different():
    looks = style.variant_styles(f"policy {i}" for i in range(32))
    assert len(set(looks.values())) == 32
    assert style.variant_styles(["a", "b", "a"]) == style.variant_styles(["a", "b"])


@pytest.mark.parametrize(
    ("value", "quantity", "words"),
    [
        (0, "bytes", "0 B"),
        (1536, "bytes", "1.5 KiB"),
        (1075 * GiB, "bytes", "1,075 GiB"),
        (5 * 2**40, "bytes", "5 TiB"),
        (1.25e9, "rate", "10 Gbit/s"),
        (0, "seconds", "0 s"),
        (0.0213, "seconds", "21.3 ms"),
        (90, "seconds", "90 s"),
        (900, "seconds", "15 min"),
        (9000, "seconds", "2.5 h"),
        (0.25, "share", "25 %"),
        (12345, "count", "12,345"),
        (math.nan, "seconds", "–"),
        (-0.5, "seconds", "−500 ms"),
    ],
)
def test_numbers_are_written_in_the_unit_that_reads_best(value, quantity, words):
    assert style.human(value, quantity).replace("\u00a0", " ").replace("\u202f", " ") == words


def test_columns_of_numbers_keep_their_zeros():
    assert style.number_text(10.0, strip=False) == "10.0"
    assert style.number_text(10.0) == "10"


def test_names_are_no_markup_and_not_too_long():
    assert style.label("<b>&") == "&lt;b&gt;&amp;"
    short = style.label("x" * 30 + "end", longest=12)
    assert len(short) == 12
    assert short.endswith("end")


def test_a_logarithmic_axis_has_ticks_within_its_range():
    axis = style.log_axis(0.3, 40)
    assert axis["tickvals"] == [0.5, 1, 2, 5, 10, 20]
    assert axis["ticktext"][0] == "0.5"
    assert axis["range"][0] < math.log10(0.3) < math.log10(40) < axis["range"][1]
    assert style.log_axis(0.01, 1000)["tickvals"] == pytest.approx([0.01, 0.1, 1, 10, 100, 1000])


# ---------------------------------------------------------------- names of points


@given(
    st.lists(st.tuples(st.floats(20, 580), st.floats(20, 280)), min_size=1, max_size=7, unique=True)
)
def test_names_stay_inside_and_do_not_cover_each_other(points):
    """Seven names find room anywhere in 600 x 300 pixels, even on one spot."""
    boxes = labels.place(np.array(points), [60.0] * len(points), width=600, height=300)
    for index, (left, bottom, right, top) in enumerate(boxes):
        assert left >= 0
        assert bottom >= 0
        assert right <= 600
        assert top <= 300
        for other in boxes[:index]:
            apart = right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom
            assert apart


def test_a_name_far_from_its_point_is_tied_to_it():
    points = np.array([[5.0, 5.0]] * 9)
    notes = labels.annotate(
        points,
        ["a name of some length"] * 9,
        np.zeros((9, 2)),
        x_range=(0, 10),
        y_range=(0, 10),
        width=400,
        height=200,
    )
    ties = [note["arrowcolor"] for note in notes]
    assert "rgba(0,0,0,0)" in ties  # the nearest need none
    assert any(tie.startswith("#") for tie in ties)


# ---------------------------------------------------------------- trade-off


def test_tradeoff_draws_means_with_t_intervals(study):
    frame = study.frame()
    drawn = plots.tradeoff(frame)
    points = {trace.name: trace for trace in drawn.data if trace.mode == "markers"}
    values = frame.loc[frame["variant"] == "balloon-held", "lost_work_s"]
    held = points["balloon-held"]
    assert held.y[0] == pytest.approx(values.mean())
    assert held.error_y.array[0] == pytest.approx(4.302653 * values.std() / math.sqrt(3), rel=1e-6)
    network = frame.loc[frame["variant"] == "balloon-held", "network_bytes"].mean()
    assert held.x[0] == pytest.approx(network / GiB)
    assert drawn.layout.xaxis.title.text == "network cost (GiB)"
    assert drawn.layout.yaxis.title.text == "work lost by all guests (s)"


def test_tradeoff_marks_what_no_policy_beats_in_both():
    frame = pd.DataFrame(
        {
            "variant": ["a", "b", "c", "d"],
            "network_bytes": [1 * GiB, 2 * GiB, 3 * GiB, 4 * GiB],
            "lost_work_s": [9.0, 4.0, 5.0, 1.0],
        }
    )
    drawn = plots.tradeoff(frame)
    line = drawn.data[0]
    assert [round(value, 6) for value in line.x[1:-1]] == [1, 2, 4]
    hover = {trace.name: trace.hovertemplate for trace in drawn.data[1:]}
    assert "better in both" not in hover["c"]
    assert all("better in both" in hover[name] for name in "abd")
    assert drawn.data[1].error_x.array is None  # a single run has no whisker


def test_tradeoff_axes_start_at_zero_unless_that_hides_the_differences():
    frame = pd.DataFrame(
        {"variant": ["a", "b"], "network_bytes": [100 * GiB, 101 * GiB], "lost_work_s": [0.0, 9.0]}
    )
    layout = plots.tradeoff(frame).layout
    assert layout.yaxis.range[0] == 0
    assert 99 < layout.xaxis.range[0] < 100


def test_tradeoff_leaves_failed_runs_out_and_names_policies_safely(study):
    frame = study.frame()
    frame["variant"] = frame["variant"].replace("zero-page", "<script>")
    frame.loc[frame["variant"] == "balloon-held", ["network_bytes", "lost_work_s"]] = math.nan
    drawn = plots.tradeoff(frame)
    assert "balloon-held" not in text(drawn)
    assert "<script" not in text(drawn)
    assert "&lt;script" in text(drawn)
    with pytest.raises(ResultError, match="nothing to draw"):
        plots.tradeoff(frame.assign(network_bytes=math.nan))


def test_tradeoff_of_many_names_only_the_front():
    count = 30
    frame = pd.DataFrame(
        {
            "variant": [f"v{i}" for i in range(count)],
            "network_bytes": [(10 + i) * GiB for i in range(count)],
            "lost_work_s": [5.0] * count,
        }
    )
    drawn = plots.tradeoff(frame)
    assert [note.text for note in drawn.layout.annotations] == ["v0", "↙ less of both"]
    assert len(drawn.layout.meta["narrow"]["annotations"]) == 2


# ---------------------------------------------------------------- costs


def test_costs_add_up_to_the_summary(study):
    frame = study.frame()
    drawn = plots.costs(frame)
    names = list(drawn.layout.yaxis.ticktext)
    for axis, columns, size in (("x", BYTE_COLUMNS, GiB), ("x2", LOSS_COLUMNS, 1.0)):
        bars = [t for t in drawn.data if t.type == "bar" and t.xaxis == axis]
        for row, name in enumerate(names):
            part = frame[frame["variant"] == name]
            whole = part[list(columns)].sum(axis=1).mean() / size
            assert sum(bar.x[row] for bar in bars) == pytest.approx(whole, rel=1e-5)


def test_costs_put_the_cheapest_for_the_network_on_top(study):
    drawn = plots.costs(study.frame())
    assert list(drawn.layout.yaxis.ticktext) == ["zero-page", "free-page-hint", "balloon-held"]
    assert drawn.layout.yaxis.range[0] < drawn.layout.yaxis.range[1]  # the last is the top


def test_costs_have_no_key_for_what_nobody_pays(study):
    drawn = plots.costs(study.frame())
    shown = {trace.name for trace in drawn.data if trace.type == "bar"}
    assert "cache misses" in shown
    assert "prefetch" not in shown
    assert "restart" not in shown


def test_costs_of_nothing_are_an_empty_panel(study):
    frame = study.frame().assign(**dict.fromkeys(LOSS_COLUMNS, 0.0))
    drawn = plots.costs(frame)
    assert not [t for t in drawn.data if t.type == "bar" and t.xaxis == "x2"]
    assert drawn.layout.xaxis2.range == (0, 1)


def test_costs_stand_one_above_the_other_where_it_is_narrow(study):
    drawn = plots.costs(study.frame())
    narrow = drawn.layout.meta["narrow"]
    assert drawn.layout.xaxis.domain[1] < drawn.layout.xaxis2.domain[0]
    assert narrow["xaxis.domain"] == narrow["xaxis2.domain"] == [0, 1]
    assert narrow["yaxis2.domain"][1] < narrow["yaxis.domain"][0]
    assert narrow["height"] > drawn.layout.height


# ---------------------------------------------------------------- spread over guests


def test_slowdown_cdf_counts_the_guests_that_moved():
    guests = pd.DataFrame({"moves": [1, 1, 1, 1, 0], "lost_work_s": [1.0, 2.0, 3.0, 4.0, 99.0]})
    (curve,) = plots.slowdown_cdf(guests).data
    assert list(curve.x) == [0, 1, 2, 3, 4]
    assert list(curve.y) == [0, 0.25, 0.5, 0.75, 1]
    assert "half: 2\u00a0s" in curve.hovertemplate


def test_slowdown_cdf_is_logarithmic_over_two_decades(study):
    near = pd.DataFrame({"moves": [1, 1], "lost_work_s": [1.0, 99.0]})
    far = pd.DataFrame({"moves": [1, 1], "lost_work_s": [1.0, 101.0]})
    zero = pd.DataFrame({"moves": [1, 1, 1], "lost_work_s": [0.0, 1.0, 101.0]})
    types = [plots.slowdown_cdf(frame).layout.xaxis.type for frame in (near, far, zero)]
    assert types == [None, "log", None]


def test_slowdown_cdf_draws_a_curve_a_policy_of_bounded_size(study):
    guests = study.table("guests")
    drawn = plots.slowdown_cdf(guests, column="degraded10_s")
    assert [trace.name for trace in drawn.data] == list(dict.fromkeys(guests["variant"]))
    assert drawn.layout.meta["narrow"]["height"] > drawn.layout.height
    many = pd.DataFrame({"moves": 1, "lost_work_s": np.arange(5000.0)})
    (curve,) = plots.slowdown_cdf(many).data
    assert len(curve.x) <= 301
    assert curve.y[-1] == 1


def test_slowdown_cdf_refuses_a_column_that_is_no_time(result):
    with pytest.raises(ValueError, match="lost_work_s"):
        plots.slowdown_cdf(result.guests, column="read_pages")


# ---------------------------------------------------------------- Gantt chart


def segments(drawn, phase):
    """The bars of one phase: row, start, length."""
    (trace,) = [trace for trace in drawn.data if trace.name == phase]
    return list(zip(trace.y, trace.base, trace.x, strict=True))


def test_gantt_draws_each_phase_as_long_as_it_was(result):
    moves, rounds = result.migrations, result.rounds
    drawn = plots.gantt(moves, rounds)
    for phase in ("first pass", "re-sent", "switch-over"):
        part = rounds[rounds["kind"] == phase]
        assert len(segments(drawn, phase)) == len(part)
        whole = (part["to_s"] - part["from_s"]).sum()
        assert sum(length for _, _, length in segments(drawn, phase)) == pytest.approx(whole)
    waited = (moves["started_s"] - moves["requested_s"]).fillna(0).sum()
    assert sum(length for _, _, length in segments(drawn, "waiting")) == pytest.approx(waited)


def test_gantt_marks_blackouts_and_what_did_not_move(result):
    drawn = plots.gantt(result.migrations, result.rounds)
    marks = {t.name: t for t in drawn.data if t.type == "scatter"}
    outcomes = result.migrations["outcome"]
    assert len(marks["blackout"].x) == (outcomes == "completed").sum()
    assert len(marks["did not move"].x) == (outcomes != "completed").sum()
    assert "pinned" in "".join(marks["did not move"].hovertext)


def test_gantt_groups_by_source_and_counts_like_people(result):
    moves = pd.concat([result.migrations.assign(source=f"host{i}") for i in (10, 2)])
    drawn = plots.gantt(moves)
    assert [note.text for note in drawn.layout.annotations] == ["<b>host2</b>", "<b>host10</b>"]
    assert drawn.layout.annotations[0].y < drawn.layout.annotations[1].y


def test_gantt_without_rounds_draws_streams_whole(result):
    moves = result.migrations
    done = moves[moves["outcome"] == "completed"]
    drawn = plots.gantt(done)
    stream = sum(length for _, _, length in segments(drawn, "stream"))
    pause = sum(length for _, _, length in segments(drawn, "switch-over"))
    assert stream + pause == pytest.approx((done["ended_s"] - done["stream_s"]).sum())
    assert pause == pytest.approx(done["downtime_s"].sum())


def test_gantt_shows_cold_moves_and_what_was_never_admitted(result):
    moves = result.migrations[result.migrations["outcome"] == "completed"].head(2).copy()
    moves["outcome"] = ["completed-cold", "cancelled"]
    moves["stream_s"] = math.nan
    moves["started_s"] = [5.0, math.nan]
    moves["ended_s"] = [70.0, 80.0]
    moves["downtime_s"] = [60.0, 0.0]
    drawn = plots.gantt(moves)
    ((_, start, length),) = segments(drawn, "moved cold")
    assert (start, length) == (10, 60)
    assert [length for _, _, length in segments(drawn, "preparing")] == [5]
    assert sorted(length for _, _, length in segments(drawn, "waiting")) == [5, 80]
    assert "never admitted" in text(drawn)


def test_gantt_of_an_aborted_preparation_stops_there(result):
    moves = result.migrations[result.migrations["outcome"] == "completed"].head(1).copy()
    moves["outcome"], moves["stream_s"] = "cancelled", math.nan
    moves["started_s"], moves["ended_s"] = 0.0, 3.0
    drawn = plots.gantt(moves)
    assert [trace.name for trace in drawn.data] == ["preparing", "did not move"]
    assert segments(drawn, "preparing")[0][2] == 3


def test_gantt_of_too_many_shows_some_and_says_so(result):
    moves = pd.concat([result.migrations] * 30, ignore_index=True)
    drawn = plots.gantt(moves, most_rows=100)
    assert drawn.layout.title.text == f"100 of {len(moves)} migrations"
    assert drawn.layout.height < 3000
    rows = {row for trace in drawn.data for row in trace.y}
    assert len(rows) == 100
    names = [name for name in drawn.layout.yaxis.ticktext]
    assert len(names) <= 100


def test_gantt_of_nothing_is_empty(result):
    assert not plots.gantt(result.migrations.head(0)).data


# ---------------------------------------------------------------- rounds


def test_rounds_show_what_was_pending_and_what_was_sent(result):
    mine = result.rounds[result.rounds["guest"] == "web-4"]
    drawn = plots.rounds(result.rounds, "web-4")
    pending = drawn.data[0]
    assert list(pending.y) == pytest.approx(list(mine["pending_pages"] * PAGE / GiB))
    assert pending.x[0] == 0
    sent = [y for trace in drawn.data if trace.type == "bar" for y in trace.y]
    assert sum(sent) == pytest.approx(mine["sent_bytes"].sum() / GiB)
    limit = drawn.data[1]
    assert len(limit.x) == len(mine) - 1  # a pause has nothing left to allow
    assert drawn.layout.yaxis.type == "log"


def test_rounds_of_the_last_of_several_migrations(result):
    twice = pd.concat([result.rounds, result.rounds.assign(started_s=1e6)])
    drawn = plots.rounds(twice, "web-4")
    assert len(drawn.data[0].x) == len(result.rounds[result.rounds["guest"] == "web-4"])


def many_rounds(result, count):
    """The rounds of one guest, its second one repeated."""
    mine = result.rounds[result.rounds["guest"] == "cache-4"].sort_values("round")
    again = mine[mine["kind"] == "re-sent"].head(1)
    steps = np.arange(count) * 0.5 + float(again["from_s"].iloc[0])
    rows = pd.concat([again] * count).assign(from_s=steps, to_s=steps + 0.5)
    return pd.concat([mine.head(1), rows, mine.tail(1).assign(from_s=steps[-1] + 1)])


def test_very_many_rounds_are_thinned_and_drawn_as_one_bar(result):
    rounds = many_rounds(result, 500)
    drawn = plots.rounds(rounds, "cache-4")
    assert len(drawn.data[0].x) == 400
    assert drawn.layout.title.text == "400 of 502 rounds"
    moves = result.migrations[result.migrations["guest"] == "cache-4"]
    chart = plots.gantt(moves, rounds)
    ((_, _, length),) = segments(chart, "re-sent")
    assert length == pytest.approx(250)
    assert len(segments(plots.gantt(moves, many_rounds(result, 20)), "re-sent")) == 20


def test_rounds_that_differ_little_need_no_logarithm(result):
    first = result.rounds[result.rounds["guest"] == "web-4"].head(1)
    assert plots.rounds(first, "web-4").layout.yaxis.type != "log"


def test_rounds_of_nobody_propose_somebody(result):
    with pytest.raises(ResultError, match="did you mean 'web-4'"):
        plots.rounds(result.rounds, "wbe-4")
    with pytest.raises(ResultError, match="no rounds"):
        plots.rounds(result.rounds.head(0), "web-4")


# ---------------------------------------------------------------- links


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e9)), min_size=1, max_size=20),
    st.integers(1, 50),
)
def test_averaging_a_step_function_loses_no_bytes(steps, bins):
    steps = sorted(steps)
    times, rates = (np.array(column) for column in zip(*steps, strict=True))
    edges = np.linspace(0, 120, bins + 1)
    ends = np.append(times[1:], 120.0)
    volume = float(np.sum(rates * (ends - times)))
    found = float(np.sum(traffic.averages(times, rates, edges) * np.diff(edges)))
    assert found == pytest.approx(volume, rel=1e-9, abs=1e-3)


def test_averages_of_a_window_within_the_steps():
    times, rates = np.array([0.0, 10.0, 20.0]), np.array([1.0, 3.0, 0.0])
    found = traffic.averages(times, rates, np.array([5.0, 15.0, 17.0]))
    assert found.tolist() == [2.0, 3.0]


def test_utilisation_is_the_share_of_capacity_that_was_carried(result):
    drawn = plots.utilisation(result.link_rates, result.links, bins=50)
    heat = drawn.data[0]
    end = result.link_rates["time_s"].max()
    for name, shares in zip(heat.y, heat.z, strict=True):
        mine = result.links[result.links["link"] == html.unescape(name)]
        carried = np.mean(shares) * end * mine["capacity_bytes_per_s"].iloc[0]
        assert carried == pytest.approx(mine["carried_bytes"].sum(), rel=0.01)
    means = [float(np.mean(shares)) for shares in heat.z]
    assert means == sorted(means, reverse=True)
    assert heat.z.shape[1] == 50


def test_utilisation_stacks_the_kinds_of_one_link(result):
    link = "rack0/host2->leaf0"
    drawn = plots.utilisation(result.link_rates, result.links, link=link, until_s=200.0)
    assert [trace.name for trace in drawn.data[1:]] == ["first pass", "re-sent", "switch-over"]
    assert drawn.layout.xaxis.range == (0, 200)
    assert "host2" in drawn.layout.annotations[1].text
    assert f"{CAPACITY * 8 / 1e9:g}\u00a0Gbit/s" in drawn.layout.annotations[2].text
    narrow = drawn.layout.meta["narrow"]
    assert narrow["yaxis2.domain"][1] < narrow["yaxis.domain"][0]


def test_utilisation_shows_few_links_and_takes_a_cable_for_the_lower_panel(result):
    rates = result.link_rates
    disk = rates[rates["link"] == "rack0/host0->leaf0"].assign(link="storage->storage")
    links = result.links
    row = links[links["link"] == "rack0/host0->leaf0"].assign(link="storage->storage")
    row["class"], row["capacity_bytes_per_s"] = "disk", CAPACITY / 3
    drawn = plots.utilisation(pd.concat([rates, disk]), pd.concat([links, row]), busiest=2)
    assert len(drawn.data[0].y) == 2
    assert drawn.layout.yaxis.ticktext[0] == "storage disks"
    assert "storage" not in drawn.layout.annotations[1].text


def test_utilisation_refuses_what_is_not_there(result):
    with pytest.raises(ResultError, match="did you mean 'leaf0->spine0'"):
        plots.utilisation(result.link_rates, result.links, link="leaf0->spin0")
    with pytest.raises(ResultError, match="record: full"):
        plots.utilisation(result.link_rates.head(0), result.links)


def test_hostile_names_are_text_in_every_figure():
    bad = "<img src=x onerror=alert(1)>%{x}"
    run = fake_result(names={0: bad}, guests=6)
    moves = changed(run, "migrations", source=["<b>evil"] * 6).migrations
    for drawn in (plots.gantt(moves, run.rounds), plots.rounds(run.rounds, bad)):
        assert "<img" not in text(drawn)
        assert "<b>evil" not in text(drawn)
    assert "&lt;img" in text(plots.gantt(moves, run.rounds))
