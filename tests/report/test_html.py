"""The page's text: what it holds, what it must not hold, and how large it may become."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from chaos.analysis.result import Doubt, Finding, Losses
from chaos.report.evidence import Evidence
from chaos.report.page import ROOM, css, findings, fitting, html
from chaos.report.svg import INKS
from tests.report.results import HEADLINE, campaign, trial, undecided

EVIDENCE = Evidence(
    failed=[("0", "service/new", "failed", "REFUSED", "10.96.71.10:6379", "20", "0.01", "51.20")],
    failed_total=20,
    raw=[("5.470", "0.05", "sentinel", "+sdown master mymaster 10.244.2.3 6379")],
    settings=[("0", "sentinel bj7p4", "down-after-milliseconds", "5000")],
    versions=[("redis-py", "8.1.0")],
    command="failover run --seed 4711",
)


class Tags(HTMLParser):
    """Names of the tags, ids, and targets of links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        known = dict(attrs)
        self.ids += [known["id"]] if known.get("id") else []
        self.links += [known["href"]] if known.get("href") else []


def test_the_page_has_the_order_of_a_reader_in_a_hurry():
    text = html(campaign(), EVIDENCE)
    order = ["<h1>", "Why", "Do", "Expect", 'id="phases"', 'id="claims"', 'id="findings"', 'id="trials"']
    order += ['id="failed"', 'id="raw"', 'id="believe"', 'id="settings"', 'id="versions"', 'id="again"']
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert all(sentence in text for sentence in HEADLINE.values())


def test_there_is_no_script_and_nothing_to_load():
    page = Tags(html(campaign(), EVIDENCE))
    assert not page.tags & {"script", "img", "iframe", "object", "embed"}
    assert {link for link in page.links if not link.startswith("#")} == {"data:,", "failed-operations.csv"}


def test_every_link_within_the_page_leads_somewhere():
    page = Tags(html(campaign(), EVIDENCE))
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_words_of_the_system_are_text():
    one = trial(0, 51.9, 51.99, cause='<img src=x onerror="alert(1)">')
    assert "<img" not in html(campaign(one), EVIDENCE)


def test_every_duration_has_its_error_and_quantiles_their_n():
    text = html(campaign(), EVIDENCE).replace("\N{NO-BREAK SPACE}", " ")
    assert "50.90 · 51.99 · 53.10 s ± 0.04, n 3" in text
    assert "51.98 ± 0.04 s" in text


def test_doubts_and_what_the_place_leaves_out_are_said():
    text = html(campaign(undecided()), EVIDENCE)
    assert "no process was seen to end" in text
    assert "one clock, one disk and one kernel" in text


def test_an_experiment_that_could_not_be_played_there_is_said_at_the_top():
    text = html(campaign(manifest={"left_out": ["partition-master needs cut <here>"]}), EVIDENCE)
    assert "Left out" not in html(campaign(), EVIDENCE)
    assert text.index("Left out: partition-master needs cut &lt;here&gt;") < text.index("<h1")


REFUSED = Finding(
    name="writes refused",
    sentence="rfr-0 refused writes with <NOREPLICAS>.",
    severity="slow",
    since_s=5.91,
    until_s=7.43,
    rows=("12 writes: <NOREPLICAS>",),
    advice="Let one replica less be enough.",
    price="With <fewer> copies more can be lost.",
)


def test_a_finding_stands_with_its_rows_and_with_what_would_change_it_at_what_price():
    text = html(campaign(trial(0, 51.9, 51.99, findings=(REFUSED,))), EVIDENCE)
    shown = text[text.index('id="findings"') : text.index('id="axis"') if 'id="axis"' in text else None]
    assert "rfr-0 refused writes with &lt;NOREPLICAS&gt;." in shown
    assert "<li><code>12 writes: &lt;NOREPLICAS&gt;</code></li>" in shown
    assert "</strong> Let one replica less be enough." in shown
    assert "</strong> with &lt;fewer&gt; copies" in shown
    assert "5.9 to 7.4 s" in shown


def test_without_findings_that_is_said():
    assert "none of the rules found anything" in html(campaign(), EVIDENCE)


def test_what_several_trials_show_alike_is_told_once_and_the_gravest_comes_first():
    gone = replace(REFUSED, name="data gone", severity="lost", sentence="It is gone.", until_s=None)
    trials = [trial(n, 51.9, 51.99, findings=(REFUSED, gone) if n == 2 else (REFUSED,)) for n in range(3)]
    told = [(one.finding.name, one.trials, one.alike, one.span) for one in findings(trials)]
    assert told == [("data gone", "2", 1, "5.9 s to the end"), ("writes refused", "0–2", 3, "5.9 to 7.4 s")]


def test_of_many_trials_a_finding_is_told_by_its_name_and_as_it_was_longest():
    trials = [
        trial(n, 51.9, 51.99, findings=(replace(REFUSED, sentence=f"For {n} s.", until_s=5.91 + n),)) for n in range(20)
    ]
    [one] = findings(trials)
    assert (one.finding.sentence, one.trial.number, one.alike) == ("For 19 s.", 19, 20)


def test_an_address_that_never_worked_is_not_said_to_have_had_no_outage():
    text = html(campaign(), EVIDENCE)
    row = text[text.index('<tr id="trial-0-given-new">') :].partition("</tr>")[0]
    assert "never worked" in row
    assert '<td data-title="outage">–</td>' in row


def test_an_undecided_claim_has_its_reason_beside_it():
    one = trial(0, 14.9, 15.0)
    late = one.paths["service/new"]
    held = late.targets | {"recovery": replace(late.targets["recovery"], verdict="undecided")}
    text = html(campaign(replace(one, paths={late.name: replace(late, targets=held)})), EVIDENCE)
    assert "? undecided: the limit lies within the error of the measurement" in text


def test_losses_that_are_undecided_are_no_number():
    one = trial(
        0,
        51.9,
        51.99,
        losses=Losses(
            acknowledged=100, before=None, tail=None, after=None, recovered=0, undecided="there was no audit"
        ),
    )
    assert "undecided: there was no audit" in html(campaign(one), EVIDENCE)


def test_a_trial_that_is_told_in_short_can_be_linked_to():
    page = Tags(html(campaign(*(trial(number, 51.9, 51.99) for number in range(16))), EVIDENCE))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_a_large_campaign_keeps_to_its_room_and_says_what_is_left_out():
    doubt = Doubt(name="loop lag", text="late " * 40, voids=False)
    many = [replace(trial(number, 51.9, 51.99), doubts=(doubt,)) for number in range(16)]
    text = html(campaign(*many), EVIDENCE)
    assert len(text.encode()) <= ROOM
    assert "more trials are in summary.json" in text


def test_hundreds_of_trials_have_a_curve_a_line_each_and_the_worst_in_full():
    trials = [trial(number, 6.0 + number / 10, 6.1 + number / 10) for number in range(299)]
    text = html(campaign(*trials), EVIDENCE)
    page = Tags(text)
    assert len(text.encode()) <= ROOM
    assert {f"trial-{number}" for number in range(299)} <= set(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert "How late each path was back" in text
    assert '<details id="trial-298">' in text
    assert "and 294 more" in text


def test_one_trial_with_more_raw_lines_than_there_is_room_for_fits():
    """A trial in which everything failed in every way must be readable too."""
    long = replace(EVIDENCE, raw=[("5.470", "0.05", "sentinel", "x" * 400)] * 160, failed=list(EVIDENCE.failed) * 400)
    noisy = replace(long, timeline="<svg>" + "y" * 60_000 + "</svg>")
    text = html(campaign(trial(0, 51.9, 51.99)), noisy)
    assert len(text.encode()) <= ROOM
    assert text.count("x" * 400) == 40


def test_what_fits_is_reckoned_and_then_tried():
    asked: list[int] = []

    def render(most: int) -> str:
        asked.append(most)
        return "x" * (100_000 + 40_000 * most)

    assert len(fitting(render, 10)) == 220_000
    assert asked == [10, 1, 3]


def test_a_campaign_without_trials_is_a_page():
    result = replace(campaign(), trials=(), groups=())
    assert "<h1>" in html(result, Evidence())


def test_dark_inks_exist_for_every_light_one():
    text = html(campaign(), EVIDENCE)
    light, _, dark = text.partition("prefers-color-scheme:dark")
    named = [set(re.findall(r"--([a-z]+):#", part)) for part in (light, dark.partition("</style>")[0])]
    assert named[0] == named[1] == set(INKS)
    assert "svg [" not in css(), "a rule that names an ancestor does not reach what `use` copies"
