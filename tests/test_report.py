"""The report: one file that fetches nothing, says what the tables say, and can be read anywhere."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import dcsim
from dcsim.errors import ResultError
from dcsim.records.tables import BY_NAME
from dcsim.study.comparisons.study import Run, Study
from dcsim.view import content
from dcsim.view.gather import MOST_TOLD, QUESTION, gather
from dcsim.view.report import render, write_report
from tests.view_data import DIGEST, changed, fake_result, fake_study

EVIL = "</script><script>window.hacked = 1</script>"
NAMES = {0: EVIL, 1: "\"'><img src=x onerror='window.hacked=2'>", 2: "=HYPERLINK(1)", 3: 'a,\n"b"'}
POLICY = "<b onclick=alert(1)>evil & co</b>"


@pytest.fixture(scope="module")
def study():
    """Three policies, two runs each."""
    return fake_study(["zero-page", "free-page-hint", "balloon-held"], replications=2, guests=12)


@pytest.fixture(scope="module")
def page(study):
    """Its report."""
    return render(study)


@pytest.fixture(scope="module")
def hostile():
    """A study whose names, texts and reasons try to break out of the page."""
    runs = [fake_result(name, guests=12, names=NAMES) for name in ("zero-page", "balloon-held")]
    reasons = [EVIL] * 12
    runs = [changed(run, "migrations", reason=reasons, source=[EVIL] * 12) for run in runs]
    for run in runs:
        run.scenario |= {"name": EVIL, "about": EVIL}
    names = ("zero-page", POLICY)
    return Study(
        name=EVIL,
        runs=tuple(
            replace(fake_study([name], replications=1).runs[0], variant=name, result=run)
            for name, run in zip(names, runs, strict=True)
        ),
    )


class Parts(HTMLParser):
    """Attributes and scripts of a page, read as a browser reads them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._kind = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._kind = dict(attributes).get("id", "code") if tag == "script" else None

    def handle_data(self, data):
        if self._kind:
            self.scripts.setdefault(self._kind, []).append(data)

    def handle_endtag(self, tag):
        self._kind = None

    def json(self, name):
        """The data in one script element."""
        return json.loads("".join(self.scripts[name]))


# ---------------------------------------------------------------- the file


def test_the_library_that_draws_is_there_once_and_nothing_is_fetched(page):
    parts = Parts(page)
    assert page.count("plotly.js v") == 1
    for tag, attributes in parts.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        if "href" in attributes:
            assert attributes["href"].startswith(("#", "data:"))
    (policy,) = [a["content"] for t, a in parts.tags if a.get("http-equiv")]
    assert "default-src 'none'" in policy
    style = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_it_says_its_language_and_names_its_parts(page):
    parts = Parts(page)
    assert ("html", {"lang": "en"}) in parts.tags
    tags = [tag for tag, _ in parts.tags]
    assert tags.count("h1") == 1
    assert tags.count("main") == 1
    ids = [attributes["id"] for _, attributes in parts.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in parts.tags:
        for reference in ("aria-labelledby", "for"):
            assert attributes.get(reference, ids[0]) in ids
        if tag == "a" and attributes["href"].startswith("#"):
            assert attributes["href"][1:] in ids
        if attributes.get("role") == "img":
            assert attributes["aria-label"]


def test_writing_replaces_a_file_whole_or_not_at_all(tmp_path, study, monkeypatch):
    target = tmp_path / "report.html"
    target.write_text("old")
    monkeypatch.setattr("dcsim.view.report.render", lambda *_, **__: "new")
    assert write_report(study, target) == target
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OSError, match="nowhere"):
        write_report(study, tmp_path / "nowhere" / "report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_report(study, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "report.html"]


# ---------------------------------------------------------------- what it says


def test_title_question_and_answer_come_first(page, study):
    text = re.sub(r"<[^>]+>", "", page.split("<main>")[1].split('id="key"')[0])
    for line in study.summary().splitlines():
        assert line in text.replace("&#39;", "'")
    assert f'<p class="question">{QUESTION}' in page
    other = gather(study, title="A title", question="A question?")
    assert (other.title, other.question) == ("A title", "A question?")


def test_key_figures_are_those_of_the_study(study):
    table = content.key_figures(gather(study))
    frame = study.frame()
    titles = [title for title, _ in table["columns"]]
    rows = dict(table["rows"])
    cell = rows["balloon-held"][titles.index("Network cost")]
    values = frame.loc[frame["variant"] == "balloon-held", "network_bytes"]
    assert cell.value == pytest.approx(values.mean())
    change = study.differences("network_bytes").set_index("variant").loc["balloon-held"]
    assert cell.change.startswith(f"\u2212{-change['change_percent']:.1f}")
    assert cell.tone == "better"
    lost = rows["balloon-held"][titles.index("Lost work")]
    assert lost.tone == "worse"
    assert lost.change.startswith("×")  # more than tenfold
    assert [c.change for c in rows["zero-page"]] == [""] * len(titles)
    assert table["baselines"] == ["zero-page"]
    assert table["runs"] == "2"


def test_an_unclear_difference_is_neither_better_nor_worse():
    study = fake_study(["zero-page", "free-page-hint"], replications=2, guests=12)
    numbers = iter([5.0, 9.0, 9.0, 5.0])
    runs = tuple(
        replace(run, result=changed(run.result, "summary", makespan_s=[next(numbers)]))
        for run in study.runs
    )
    table = content.key_figures(gather(replace(study, runs=runs)))
    cell = dict(table["rows"])["free-page-hint"][2]
    assert cell.tone == "same"
    assert "±" in cell.change


def test_the_verdict_names_the_cheapest_and_what_costs_nobody_more():
    def told(network, lost):
        study = fake_study(["zero-page", "b", "c"][: len(network)], replications=1, guests=3)
        runs = tuple(
            replace(run, result=changed(run.result, "summary", network_bytes=[n], lost_work_s=[w]))
            for run, n, w in zip(study.runs, network, lost, strict=True)
        )
        material = gather(replace(study, runs=runs))
        return " ".join(content.verdict(material, content.key_figures(material)))

    assert "b costs less than zero-page in one and no more" in told(
        [9.0, 8.0, 7.0], [5.0, 5.0, 9.0]
    )
    assert "b and c cost less" in told([9.0, 8.0, 7.0], [5.0, 4.0, 5.0])
    assert "What saves one against zero-page costs the other" in told([9.0, 8.0], [5.0, 6.0])
    assert "The policy b costs the network least" in told([9.0, 8.0], [5.0, 4.0])
    assert "and the guests too" in told([9.0, 8.0], [5.0, 4.0])
    nothing = float("nan")
    assert told([nothing, nothing], [1.0, 2.0]) == ""
    assert told([9.0], [5.0]) == ""


def test_where_more_than_policies_was_varied_each_part_has_its_heading():
    runs = [
        Run(f"{policy}, n={n}", policy, {"n": n}, DIGEST, 0, 1, fake_result(policy, guests=3))
        for n in (1, 2)
        for policy in ("zero-page", "balloon-held")
    ]
    material = gather(Study(name="s", runs=tuple(runs)))
    heads = [line for line in material.answer if line.endswith(":")]
    assert len(heads) == 2
    assert material.answer[0] == heads[0]
    key = content.key_figures(material)
    assert key["baselines"] == ["zero-page, n=1", "zero-page, n=2"]
    assert content.verdict(material, key) == []


def test_outcomes_are_counted_over_all_runs(study):
    counted = content.outcomes(gather(study))
    assert counted["columns"] == ["completed", "aborted-no-progress", "not-movable"]
    assert all(sum(counts) == 24 for _, counts in counted["rows"])
    assert counted["alike"] == "20 completed, 2 aborted-no-progress, 2 not-movable"
    uneven = replace(study, runs=study.runs[:-1])
    assert content.outcomes(gather(uneven))["alike"] == ""
    assert content.key_figures(gather(uneven))["runs"] == "1 to 2"
    small = fake_study(["zero-page", "none"], replications=1, guests=9)
    longer = fake_study(["none"], replications=1, guests=12).runs
    assert "How the migrations ended" in render(replace(small, runs=(small.runs[0], *longer)))


def test_failed_runs_are_listed_and_do_not_stop_it():
    study = fake_study(["zero-page", "balloon-held"], replications=2, guests=3)
    failed = replace(study.runs[-1], result=None, error="SimulationError", message="<no>")
    page = render(replace(study, runs=(*study.runs[:-1], failed)))
    assert "1 of the runs failed" in page
    assert "balloon-held, replicate 1: SimulationError: &lt;no&gt;" in page
    with pytest.raises(ResultError, match="every run"):
        render(replace(study, runs=(failed,)))


def test_a_single_result_has_no_comparison():
    run = fake_result(guests=12)
    page = render(run)
    assert 'id="tradeoff"' not in page
    assert 'id="variant"' not in page
    assert "What came of it" in page
    assert f"{run.explanation}." in page.replace("&#39;", "'")
    assert DIGEST in page
    assert "Lost work</dt>" in page


def test_a_result_in_words_tells_only_what_there_is():
    calm = fake_result("balloon-held", guests=3, failing=False)
    words = gather(calm).answer
    assert words[0].startswith("3 of 3 guests moved")
    assert "read again by guests whose cache was gone" in words[1]
    assert "to cache misses" in words[2]
    assert "after the start" in words[3]
    plain = gather(fake_result("zero-page", guests=3, failing=False)).answer
    assert plain[1].endswith("GiB.")  # what has one part is not broken down
    empty = changed(calm, "summary", requested=[0])
    assert len(gather(empty).answer) == 1
    still = changed(calm, "summary", completed=[0], **{
        name: [0.0] for name in calm.metrics if name.startswith("lost_")
    })  # fmt: skip
    assert gather(still).answer[2:] == ("The guests lost 0\u00a0s of work.",)


@pytest.fixture(scope="module")
def drained():
    """A drain of two hosts in turn, with a window."""
    changes = {"operation.at_once": 1, "operation.window": "10min"}
    return dcsim.run(dcsim.load("fat-tree-evacuation").replace(changes))


@pytest.fixture(scope="module")
def limits():
    """The same drain under two operators' limits."""
    scenario = dcsim.load("fat-tree-evacuation").replace({"operation.window": "10min"})
    vary = {"operation.limits": ["kubevirt", "nova"]}
    return dcsim.compare(scenario, vary=vary, replications=1)


def first_screen(page):
    """The text of what comes before the key figures."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.split("<body>")[1].split('id="key"')[0]))


def test_a_run_answers_what_its_operation_is_asked(drained):
    page = render(drained)
    (answer,) = drained.answers
    told = first_screen(page)
    assert "Can rack0/* be emptied within 10 min?" in told
    assert answer.verdict.startswith("Yes: done in ")
    for sentence in (answer.verdict, answer.moved, *answer.details):
        assert sentence in told
    for figure in ("progress", "hosts"):
        assert f'id="{figure}"' in page.split('id="key"')[0]
    assert set(Parts(page).json("v0")["figures"]) >= {"progress", "hosts", "gantt"}


def test_a_scenario_asks_its_own_question(drained):
    study = fake_study(["zero-page", "none"], replications=1, guests=3)
    for run in study.results:
        run.scenario |= {"question": "Is it worth it?"}
    assert gather(study).question == "Is it worth it?"
    assert gather(drained, question="Or else?").question == "Or else?"


def test_variants_of_an_operation_stand_in_a_table_and_a_figure(limits):
    page = render(limits)
    told = first_screen(page)
    assert "Can rack0/* be emptied within 10 min?" in told
    assert "Yes, under all of them." in told
    table = content.compared(gather(limits))
    titles = [title for title, _ in table["columns"]]
    assert titles[:2] == ["In time", "Makespan"]
    keys = dict(content.key_figures(gather(limits))["columns"])
    assert "Makespan" not in keys  # which is the operation's, reboots after the last move included
    assert "last migration" in keys["Last migration ended"]
    for (name, cells), run in zip(table["rows"], limits.results, strict=True):
        assert cells[0] == (1.0, "100\u202f%")
        assert cells[1][0] == run.metrics["makespan_s"]
        assert name in told
    drawn = Parts(page).json("comparison")["makespans"]
    assert drawn["layout"]["annotations"][0]["text"] == "window 10 min"
    assert "policy" not in told.lower()


def test_many_operations_are_counted_in_the_first_sentence(drained):
    table = drained.columns["operations"]
    count = MOST_TOLD + 1
    rows = {name: list(values) * count for name, values in table.items()}
    rows["operation"] = [f"o{i}" for i in range(count)]
    rows["makespan_s"] = [1.0] * (count - 1) + [900.0]
    material = gather(changed(drained, "operations", **rows))
    assert material.verdict == (f"{count - 1} of {count} operations were done in time.",)
    assert material.answer[0].startswith("o0: Yes: done in 1 s")
    both = {name: values[:2] for name, values in rows.items()}
    told = gather(changed(drained, "operations", **both))
    assert [line.split(":")[0] for line in told.verdict] == ["o0", "o1"]
    assert [line for line in told.answer if line.endswith(":")] == ["o0:", "o1:", "All together:"]


@pytest.mark.parametrize("record", ["summary", "migrations"])
def test_what_was_not_kept_is_said(record):
    page = Parts(render(fake_study(["zero-page"], replications=1, guests=2, record=record)))
    shown = page.json("v0")
    assert f"record: {record}" in shown["missing"][0]
    assert ("gantt" in shown["figures"]) == (record == "migrations")
    assert "utilisation" not in shown["figures"]
    assert bool(shown["explained"]) == (record == "migrations")


def test_of_many_policies_the_first_are_looked_at_closely(monkeypatch):
    monkeypatch.setattr(content, "MOST_CLOSE_UPS", 2)
    page = render(fake_study(["zero-page", "none", "guest-drop"], replications=1, guests=1))
    assert "The first 2 of 3 are here." in page
    assert 'id="v1"' in page
    assert 'id="v2"' not in page


def test_a_close_up_explains_what_was_given_up_first():
    shown = content.close_up(gather(fake_result()).variants[0])
    guests = [entry["guest"] for entry in shown["explained"]]
    assert set(guests[:2]) == {"cache-2", "cache-5"}
    assert len(guests) == content.MOST_EXPLAINED
    assert shown["explained"][0]["figure"]["data"]
    assert shown["unmoved"][0]["count"] == 2
    assert "the only run" in shown["about"]
    only = content.close_up(gather(fake_result(guests=24, sources=1)).variants[0])
    assert only["explained"][-1]["text"].startswith(only["explained"][-1]["guest"])


def test_the_scenario_is_yaml_that_reads_back():
    run = fake_result(guests=3)
    assert yaml.safe_load(content.scenario_text(run.scenario)) == run.scenario


def test_tables_are_whole_unless_they_are_too_large():
    run = fake_result(guests=24)
    whole = content.table_of("guests", run.guests, ("guest",), most_bytes=10**6)
    values = {column["name"]: column["values"] for column in whole["columns"]}
    assert tuple(values) == BY_NAME["guests"].names
    assert values["lost_work_s"] == pytest.approx(run.guests["lost_work_s"].tolist(), rel=1e-9)
    cut = content.table_of("guests", run.guests, ("guest",), most_bytes=2000)
    kept = len(cut["columns"][0]["values"])
    assert 1 <= kept < 24
    assert cut["total"] == 24
    moves = content.table_of("migrations", run.migrations, (), most_bytes=10**6)
    streams = next(c["values"] for c in moves["columns"] if c["name"] == "stream_s")
    assert None in streams  # of guests that could not move
    json.dumps(moves, allow_nan=False)


@given(st.text())
def test_no_text_can_end_a_script(text):
    safe = content.script_safe({"name": text, "list": [text]})
    assert not set("<>&\u2028\u2029") & set(safe)
    assert json.loads(safe) == {"name": text, "list": [text]}


def test_hostile_names_stay_text(hostile):
    parts = Parts(render(hostile))
    for tag, attributes in parts.tags:
        assert tag not in {"img", "b"} or not attributes.keys() & {"onclick", "onerror"}
    assert "code" in parts.scripts
    assert not any("window.hacked" in code for code in parts.scripts["code"])
    assert parts.json("v0")["unmoved"][0]["reason"] == EVIL
    assert parts.json("v1")["name"] == POLICY


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser(chromium):
    """A headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, args=[*flags.split(), "--disable-sync", "--no-first-run"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """Open a report; every error and every request is noted."""
    pages = []

    def open_(text, width=1280):
        path = tmp_path_factory.mktemp("page") / "report.html"
        path.write_text(text, encoding="utf-8")
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.noted = []
        tab.on("console", lambda message: tab.noted.append(message.text))
        tab.on("pageerror", lambda error: tab.noted.append(str(error)))
        tab.on("dialog", lambda dialog: (tab.noted.append("dialog"), dialog.dismiss()))
        tab.on(
            "request",
            lambda r: (
                r.url.startswith("data:") or r.url == path.as_uri() or tab.noted.append(r.url)
            ),
        )
        tab.goto(path.as_uri())
        tab.locator("#gantt .main-svg").first.wait_for(state="attached")
        pages.append(tab)
        return tab

    yield open_
    for tab in pages:
        tab.close()


@pytest.fixture(scope="module")
def wide(opened, page):
    """The report on a desk, shared: each test chooses what it looks at."""
    return opened(page)


@pytest.fixture(scope="module")
def attacked(opened, hostile):
    """The hostile report, on a telephone."""
    return opened(render(hostile), 400)


def fits(tab):
    """Whether the page needs no sideways scrolling."""
    return tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_it_opens_without_error_request_or_overflow(wide):
    assert fits(wide)
    for block in wide.locator("details summary").all():
        block.click()
    assert fits(wide)
    assert wide.locator("#gantt .barlayer .trace").count() > 3
    wide.select_option("#variant", "v2")
    assert "balloon-held" in wide.inner_text("#tables-h")
    assert wide.locator("#gantt .legendtext", has_text="preparing").count() == 1
    assert fits(wide)
    assert wide.noted == []


@pytest.mark.browser
def test_choosing_a_policy_or_guest_shows_it(wide):
    wide.select_option("#variant", "v0")
    before = wide.inner_text("#explanation")
    wide.select_option("#variant", "v1")
    assert "free-page-hint" in wide.inner_text("#scenario-h")
    assert wide.inner_text("#explanation") != before
    wide.select_option("#guest", index=1)
    chosen = wide.locator("#guest option:checked").inner_text()
    assert wide.inner_text("#explanation").startswith(f"{chosen}:")
    assert wide.locator("#rounds .main-svg").count() > 0
    assert "not-movable" in wide.inner_text("#unmoved")
    strong = wide.evaluate(
        "document.getElementById('lost_work_s').data.filter((t) => t.line.width > 3)"
        ".map((t) => t.meta)"
    )
    assert strong == ["free-page-hint"]
    assert wide.noted == []


@pytest.mark.browser
def test_headings_sort_the_key_figures(wide, study):
    heading = wide.locator("table.key th button", has_text="Lost work")
    names = wide.locator("table.key tbody th")
    heading.click()
    order = study.frame().groupby("variant")["lost_work_s"].mean().sort_values().index.tolist()
    assert names.all_inner_texts() == order
    heading.click()
    assert names.all_inner_texts() == order[::-1]
    assert wide.locator("table.key th[aria-sort]").get_attribute("aria-sort") == "descending"


@pytest.mark.browser
def test_it_prints_on_paper(wide):
    wide.evaluate("dispatchEvent(new Event('beforeprint'))")
    widths = wide.evaluate(
        "[...document.querySelectorAll('.plot')].map((p) => p._fullLayout?.width)"
    )
    assert {width for width in widths if width} == {680}
    wide.evaluate("dispatchEvent(new Event('afterprint'))")
    assert wide.evaluate("document.getElementById('gantt')._fullLayout.width") > 1000
    assert wide.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.browser
def test_a_page_that_gets_narrow_is_drawn_anew(wide):
    height = "document.getElementById('costs')._fullLayout.height"
    width = "document.getElementById('costs')._fullLayout.width"
    wide.set_viewport_size({"width": 1000, "height": 900})
    for _ in range(100):
        if wide.evaluate(width) < 1000:
            break
        wide.wait_for_timeout(50)
    before = wide.evaluate(height)
    wide.set_viewport_size({"width": 400, "height": 900})
    for _ in range(100):
        if wide.evaluate(height) > before:
            break
        wide.wait_for_timeout(50)
    assert wide.evaluate(height) > before
    assert fits(wide)


@pytest.mark.browser
def test_hostile_names_do_nothing_and_are_shown(attacked):
    attacked.select_option("#variant", "v1")
    for block in attacked.locator("#table-list summary").all():
        block.click()
    assert fits(attacked)
    assert attacked.evaluate("window.hacked") is None
    assert attacked.inner_text("h1") == EVIL
    assert EVIL in attacked.inner_text("#unmoved")
    assert POLICY in attacked.inner_text("#tables-h")
    assert EVIL in attacked.inner_text("#table-migrations")
    assert attacked.noted == []


@pytest.mark.browser
def test_a_download_is_the_whole_table_and_no_formula(attacked, hostile):
    attacked.select_option("#variant", "v0")
    block = attacked.locator("#table-migrations")
    if block.locator("a").count() == 0:
        block.locator("summary").click()
    link = block.locator("a")
    assert link.get_attribute("download") == "migrations-zero-page.csv"
    kind, data = link.get_attribute("href").split(",", 1)
    assert kind == "data:text/csv;charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(unquote(data), newline="")))
    table = hostile.results[0].migrations
    assert list(rows[0]) == list(table.columns)
    names = [row["guest"] for row in rows]
    assert names[:2] == [NAMES[0], NAMES[1]]
    assert names[2] == f"'{NAMES[2]}"
    assert names[3] == NAMES[3]
    sent = [float(row["sent_bytes"]) for row in rows]
    assert sent == pytest.approx(table["sent_bytes"].tolist(), rel=1e-9)


@pytest.mark.browser
def test_a_large_table_shows_and_sorts_its_first_rows(opened):
    run = fake_result("zero-page", guests=510, sources=6, record="migrations")
    tab = opened(render(run))
    tab.locator("#table-guests summary").click()
    rows = tab.locator("#table-guests tbody tr")
    rows.nth(499).wait_for()  # they are drawn once the table is opened
    assert rows.count() == 500
    assert "The first 500 of 510 rows" in tab.inner_text("#table-guests")
    tab.locator("#table-guests th button", has_text=re.compile("^guest$")).click()
    firsts = rows.locator("td:first-child").all_inner_texts()[:3]
    assert firsts == ["cache-0", "cache-1", "cache-2"]  # and cache-10 is far below
    assert "400 of 510 migrations" in tab.inner_text("#gantt")
    assert tab.noted == []
