"""Stories that hold several of each: clients, clocks, faults, starts, processes. First and last, any and all differ."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaos.analysis.analyse import analyse
from chaos.analysis.clocks import Clocks
from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.lateness import suspect
from chaos.analysis.losses import find_losses
from chaos.analysis.paths import measure
from chaos.analysis.result import PathResult
from chaos.analysis.summary import to_json
from chaos.clock import AGENT
from chaos.model import ErrorCode, MemberKind, Outcome
from chaos.record.reader import Rows
from tests.analysis.conftest import Analysed, Placed
from tests.analysis.test_clocks import MINE, OTHER, SECOND, domain, offset, pair
from tests.recordings import Story, changed, kill_master, write_campaign, write_trial
from tests.recordings.load import write_bits
from tests.recordings.world import IPS, NODE, PODS, members, ns, run_id
from tests.saying import edges

LATE = {"outcome": Outcome.UNKNOWN, "error": ErrorCode.REPLY_TIMEOUT, "takes_s": 0.1}
MASTER = {"name": PODS[0], "ordinal": 0, "address": f"{IPS[0]}:6379", "run_id": run_id(0)}


def paths_in(directory: Path) -> dict[str, PathResult]:
    history = History.load(directory)
    return measure(history, suspect(history), decided=not find_losses(history).undecided)


class TestClients:
    def test_each_must_have_sent_enough_in_the_baseline(self, tmp_path: Path):
        directory = write_trial(Story(meters=2, paths=("service",)).fault(), tmp_path)

        def without_most_of_the_first(_header: dict[str, Any], rows: Rows) -> Rows:
            chosen: Rows = rows[(rows["client"] != 0) | (rows["seq"] % 4 == 0)]
            return chosen

        changed.each_row(directory, without_most_of_the_first)
        assert paths_in(directory)["service/new"].state == "unproved"

    def test_a_third_of_what_was_due_proves_nothing(self, tmp_path: Path):
        directory = write_trial(Story(paths=("service",)).fault(), tmp_path)
        changed.each_row(directory, lambda _header, rows: rows[rows["seq"] % 3 == 0])
        assert paths_in(directory)["service/new"].state == "unproved"

    @pytest.mark.parametrize(("calm_s", "state"), [(1.5, "works"), (0.5, "unproved")])
    def test_the_calm_part_of_a_baseline_proves_a_path_if_it_is_long_enough(
        self, analysed: Analysed, calm_s: float, state: str
    ):
        story = Story(paths=("service",)).fault().out("service", -99.0, -calm_s, **LATE)
        for quarter in range(120):
            story.event("hiccup", -calm_s - quarter / 4, AGENT, late_ns=240_000_000)
        path = analysed(story).paths["service/new"]
        assert path.state == state
        assert ("while our own agent or the system waited for a core" in path.state_why) == (state == "unproved")

    def test_their_operations_are_counted_together(self, analysed: Analysed):
        story = Story(meters=2, paths=("service",)).fault().out("service", 1.0, 2.0, outcome=Outcome.MISSED, client=0)
        counts = analysed(story).paths["service/new"].operations
        assert (counts.ok, counts.missed, counts.sent) == (2550, 50, 2550)

    def test_a_window_tells_only_the_errors_that_it_met(self, analysed: Analysed):
        story = Story(paths=("service",)).fault().out("service", -3.5, -3.3, error=ErrorCode.LOADING)
        story.out("service", 1.0, 2.0, error=ErrorCode.READONLY).out("service", 5.0, 6.0, error=ErrorCode.OOM)
        windows = [one for one in analysed(story).paths["service/new"].windows if one.kind == "durable"]
        assert [set(one.errors) for one in windows] == [{"loading"}, {"readonly"}, {"oom"}]

    def test_a_path_whose_last_writes_are_lost_is_out(self, analysed: Analysed):
        story = Story(paths=("service",)).fault().acknowledged_then_lost("service", 2.0, 99.0)
        assert analysed(story).paths["service/new"].at_end == "out"

    def test_what_our_own_stall_made_bad_at_the_end_proves_nothing(self, analysed: Analysed):
        story = Story(paths=("service",)).fault().out("service", 1.0, 19.7).out("service", 19.9, 99.0, **LATE)
        story.event("hiccup", 20.0, AGENT, late_ns=150_000_000)
        assert analysed(story).paths["service/new"].at_end == "unknown"

    def test_an_application_never_gates(self, analysed: Analysed):
        assert not analysed(kill_master()).paths["app/kept"].gate

    def test_a_call_that_is_slow_is_an_applications_first_trouble(self, analysed: Analysed):
        slow = {"outcome": Outcome.OK, "error": ErrorCode.NONE, "takes_s": 3.0, "node": 0}
        first = (
            analysed(Story(paths=("service", "app")).fault().out("app", 5.0, 8.0, **slow))
            .paths["app/kept"]
            .first_good_s
        )
        assert first is not None
        assert first.least > 4.9

    def test_what_clients_saw_first_is_what_meters_saw(self, analysed: Analysed):
        story = Story(paths=("service", "app")).fault().out("app", 0.5, 1.5).out("service", 2.0, 4.0)
        assert edges(analysed(story).milestones["first_failed"].at_s) == pytest.approx((2.0, 2.0), abs=0.03)

    def test_what_was_not_over_has_no_most_in_the_summary(self, tmp_path: Path):
        write_campaign(tmp_path, [Story(paths=("service",)).fault().out("service", 1.0, 99.0)])
        written = json.loads(to_json(analyse(tmp_path)))["trials"][0]["paths"]["service/new"]["recovered_s"]
        assert written == [pytest.approx(20.0, abs=0.05), None]


class TestAudits:
    """Each client's keys were looked for on every master that was read."""

    def test_a_client_that_one_master_was_not_asked_for_is_known_from_the_other(self, tmp_path: Path):
        directory = write_trial(Story(paths=("service",)).fault(), tmp_path)
        (directory / "audit" / "second").mkdir()
        (directory / "audit" / "1.bits").rename(directory / "audit" / "second" / "1.bits")
        assert find_losses(History.load(directory)).undecided == ""

    def test_only_what_lies_beyond_the_bits_was_not_looked_for(self, tmp_path: Path):
        story = Story(paths=("service",)).fault()
        directory = write_trial(story, tmp_path)
        write_bits(directory / "audit" / "0.bits", story.load(story.clients[0]).kept()[:1296])
        assert find_losses(History.load(directory)).undecided == "4 acknowledged operations were not looked for"

    def test_a_tail_is_of_one_second_before_a_wide_effect(self, placed: Placed):
        story = Story(paths=("service",)).fault(width_s=0.5)
        story.acknowledged_then_lost("service", -1.6, -1.2, connection="new")
        story.acknowledged_then_lost("service", -0.7, -0.6, connection="new")
        story.acknowledged_then_lost("service", 0.1, 0.2, connection="new")
        found = find_losses(placed(story))
        assert (found.before, found.tail, found.after) == (Interval.at(20), Interval.at(10), Interval.at(0))

    def test_what_one_redis_had_evicted_before_excuses_no_other(self, placed: Placed):
        story = Story().fault().event("audit", 22.0, AGENT, address=f"{IPS[0]}:6379", undecided="")
        for at_s, evicted in ((-5.0, (9, 0, 0)), (21.0, (9, 7, 0))):
            for ordinal, count in enumerate(evicted):
                who: dict[str, Any] = {"member": PODS[ordinal], "run_id": run_id(ordinal), "masters": []}
                story.event("sanity", at_s, AGENT, evicted_keys=count, expired_keys=0, **who)
        assert find_losses(placed(story)).undecided == f"{PODS[1]} evicted 7 keys"

    def test_where_losses_are_undecided_none_is_placed(self, placed: Placed):
        story = Story().fault().acknowledged_then_lost("service", 2.0, 3.0)
        found = find_losses(placed(story.event("audit", 22.0, AGENT, address="", undecided="keys were evicted")))
        assert (found.undecided, found.places) == ("keys were evicted", ())


class TestClocks:
    def test_an_error_is_the_largest_of_all_exchanges(self):
        clocks = Clocks(
            [domain("host", MINE), domain("agent", OTHER), offset("agent", 0, 9, 5), offset("agent", 9, 9, 2)]
        )
        assert clocks.error_ns("agent") == 5

    def test_a_stamp_is_bound_by_the_exchanges_beside_it_and_no_others(self):
        exchanges = [offset("agent", at * SECOND, 1000 + at, 1) for at in (0, 100, 200, 300)]
        clocks = Clocks([domain("host", MINE), domain("agent", OTHER), *exchanges])
        assert clocks.place("agent", 250 * SECOND) == (250 * SECOND - 1301, 250 * SECOND - 1199)

    def test_the_largest_of_several_jumps_is_told(self):
        pairs = [pair("host", at * SECOND, at * SECOND + ahead) for at, ahead in ((1, 0), (2, 70), (3, 65), (4, 65))]
        assert Clocks([domain("host", MINE), *pairs]).step_ns() == 70

    def test_the_wall_clock_is_read_at_the_nearest_pair(self):
        pairs = [pair("host", 1 * SECOND, 11 * SECOND), pair("host", 5 * SECOND, 25 * SECOND)]
        assert Clocks([domain("host", MINE, 0, 10 * SECOND), *pairs]).wall_ns(5 * SECOND + 7) == 25 * SECOND + 7

    def test_a_line_between_two_pairs_may_be_of_either(self):
        pairs = [pair("host", 1 * SECOND, 11 * SECOND), pair("host", 3 * SECOND, 12 * SECOND)]
        clocks = Clocks([domain("host", MINE, 0, 10 * SECOND), *pairs])
        assert clocks.place_wall("host", 11 * SECOND + 5) == (1 * SECOND + 5, 2 * SECOND + 5)

    def test_operations_of_two_clocks_have_the_error_of_the_worse(self, tmp_path: Path):
        story = Story(paths=("service", "app")).fault()
        directory = write_trial(story, tmp_path)

        def of_the_node(header: dict[str, Any], rows: Rows) -> Rows:
            header["domain"] = NODE if header["clients"][0]["kind"] == "application" else AGENT
            return rows

        changed.each_row(directory, of_the_node)
        changed.by_another_clock(directory, NODE, SECOND, 20_000_000)
        history = History.load(directory)
        assert history.ops.clock_error_s == 0.02
        assert {len(history.ops.due_s[history.ops.of(number)]) for number in (0, 1)} == {1300}


class TestFaults:
    def again(self, story: Story, at_s: float, target: dict[str, Any] | None = None, **said: Any) -> Story:
        """The same fault once more."""
        story.event("fault.requested", at_s - 0.1, fault="crash", target=target or MASTER, arguments={}, **said)
        story.event("fault.effect", at_s + 0.01, since_s=at_s, fault="crash")
        return story.event("fault.confirmed", at_s + 0.3, fault="crash", evidence="gone")

    def test_of_two_on_a_master_the_first_is_the_origin(self, analysed: Analysed):
        trial = analysed(self.again(Story(length_s=30.0).fault(), 12.0))
        assert [fault.is_origin for fault in trial.faults] == [True, False]

    def test_one_on_a_replica_before_it_is_not(self, analysed: Analysed):
        replica = {"name": PODS[2], "ordinal": 2, "address": f"{IPS[2]}:6379", "run_id": run_id(2)}
        trial = analysed(self.again(Story(baseline_s=30.0).fault("cut"), -9.0, replica))
        assert [(fault.name, fault.is_origin) for fault in trial.faults] == [("crash", False), ("cut", True)]

    def test_each_has_the_stamps_that_follow_its_own_request(self, analysed: Analysed):
        first, second = analysed(self.again(Story(length_s=30.0).fault(), 12.0)).faults
        assert first.effect_s is not None
        assert second.effect_s is not None
        assert edges(first.effect_s) == pytest.approx((0.0, 0.012))
        assert edges(second.effect_s) == pytest.approx((12.0, 12.01))
        assert second.confirmed_s == pytest.approx(12.3)

    def test_the_width_of_its_effect_is_part_of_every_error(self, analysed: Analysed):
        story = Story(paths=("service",)).fault(width_s=0.4).out("service", 1.0, 3.0)
        measured = analysed(story).paths["service/new"].targets["recovery"].measured
        assert measured is not None
        assert edges(measured) == pytest.approx((2.58, 3.0), abs=0.03)

    def test_a_stamp_that_is_told_twice_counts_from_the_first(self, analysed: Analysed):
        (fault,) = analysed(Story().fault().event("fault.effect", 3.0, since_s=2.9, fault="crash")).faults
        assert edges(fault.effect_s) == pytest.approx((0.0, 0.012))

    def test_a_marked_one_outranks_one_on_a_master(self, analysed: Analysed):
        replica = {"name": PODS[2], "ordinal": 2, "address": f"{IPS[2]}:6379", "run_id": run_id(2)}
        trial = analysed(self.again(Story(length_s=30.0).fault(), 12.0, replica, origin=True))
        assert [fault.is_origin for fault in trial.faults] == [False, True]

    def test_healed_is_when_the_last_of_them_was(self, analysed: Analysed):
        story = self.again(Story(length_s=30.0).fault(), 2.0, None).event("fault.heal_requested", 9.0, fault="crash")
        story.event("fault.heal_confirmed", 9.3, fault="crash")
        story.event("fault.requested", 2.5, fault="cut", target=None, arguments={})
        story.event("fault.effect", 2.6, since_s=2.55, fault="cut").event("fault.heal_confirmed", 14.0, fault="cut")
        assert edges(analysed(story).milestones["healed"].at_s) == pytest.approx((14.0, 14.0))


class TestStarts:
    def test_the_deadline_is_as_the_clients_were_told_last_before_the_effect(self, placed: Placed):
        story = Story().fault().event("clients.started", -3.0, AGENT, deadline_s=0.25)
        assert placed(story.event("clients.started", 5.0, AGENT, deadline_s=0.5)).deadline_s == 0.25

    def test_a_stop_before_the_last_start_is_not_the_end(self, tmp_path: Path):
        """The trial was cut off before the clients were stopped again."""
        story = Story(baseline_s=9.0).fault().without("clients.started")
        for kind, at_s in (("clients.started", -8.0), ("clients.stopped", -7.0), ("clients.started", -6.0)):
            story.event(kind, at_s, AGENT, deadline_s=0.1)
        directory = write_trial(story, tmp_path)

        def without_the_last_stop(line: dict[str, Any]) -> dict[str, Any]:
            is_last = line["kind"] == "clients.stopped" and line["at_ns"] > ns(0)
            return {"kind": "waits", "domain": line["domain"], "at_ns": ns(1), "counted": True} if is_last else line

        changed.each_event(directory, without_the_last_stop)
        assert History.load(directory).end_s > 19.0

    def test_what_was_bad_while_the_clients_warmed_up_does_not_count(self, analysed: Analysed):
        story = Story(paths=("service",)).fault().out("service", -6.0, -4.4)
        assert analysed(story).paths["service/new"].state == "works"

    def test_the_trial_began_with_the_first_thing_that_was_recorded(self, placed: Placed):
        assert placed(Story().fault().event("step", -60.0, number=1, name="open", state="begun")).begin_s == -60.0


class TestMembers:
    def listed(self, *names: str) -> list[dict[str, Any]]:
        each = [member.as_json() for member in members()]
        return [one for one in each if one["kind"] != "redis" or one["name"] in names]

    def test_those_of_the_trial_are_the_last_that_were_known_before_the_effect(self, placed: Placed):
        story = Story().fault().event("members", -3.0, members=self.listed(PODS[0], PODS[1]))
        history = placed(story.event("members", 3.0, members=self.listed(PODS[0])))
        assert history.names(MemberKind.REDIS) == [PODS[0], PODS[1]]

    def test_a_process_is_the_one_that_said_last_that_it_is_there(self, placed: Placed):
        story = Story().fault().role(3.0, 0, "slave", IPS[0])
        story.retell("role", lambda role: role.member == PODS[0] and role.role == "slave", run_id="f" * 40)
        history = placed(story)
        assert history.node(f"{IPS[0]}:6379").run_id == "f" * 40
        old = history.ran(run_id(0))
        assert old is not None
        assert (old.name, old.run_id) == (PODS[0], run_id(0))

    def test_a_port_that_nobody_told_is_of_the_pod_at_that_address(self, placed: Placed):
        assert placed(Story().fault().pod(-2.0, 0, ip="10.9.9.9")).node("10.9.9.9:7000").name == PODS[0]


class TestLateness:
    """Which errors a stall may excuse, one by one: a whole second of them is met by a stall as long."""

    @pytest.mark.parametrize(
        ("outcome", "error", "excused"),
        [
            (Outcome.UNKNOWN, ErrorCode.REPLY_TIMEOUT, True),
            (Outcome.UNKNOWN, ErrorCode.CLOSED, True),
            (Outcome.FAILED, ErrorCode.CONNECT_TIMEOUT, True),
            (Outcome.FAILED, ErrorCode.NOT_SENT, True),
            (Outcome.MISSED, ErrorCode.NONE, True),
            (Outcome.FAILED, ErrorCode.REFUSED, False),
            (Outcome.FAILED, ErrorCode.READONLY, False),
            (Outcome.UNKNOWN, ErrorCode.RESET, False),
        ],
    )
    def test_only_what_can_come_from_lateness_is_excused(
        self, placed: Placed, outcome: Outcome, error: ErrorCode, excused: bool
    ):
        story = Story(paths=("service",)).fault().out("service", 3.0, 4.0, outcome=outcome, error=error)
        history = placed(story.event("hiccup", 4.2, AGENT, late_ns=1_300_000_000))
        assert suspect(history).any() == excused

    @pytest.mark.parametrize(("late_ms", "excused"), [(49, False), (60, True)])
    def test_half_the_deadline_is_enough(self, placed: Placed, late_ms: int, excused: bool):
        story = Story(paths=("service",)).fault().out("service", 3.0, 3.1, **LATE)
        assert suspect(placed(story.event("hiccup", 3.05, AGENT, late_ns=late_ms * 10**6))).any() == excused

    @pytest.mark.parametrize(("late_ms", "excused"), [(20, False), (30, True)])
    def test_short_stalls_add_up(self, placed: Placed, late_ms: int, excused: bool):
        """The agent is needed to connect, to send and to read: an operation meets more than one of its stalls."""
        story = Story(paths=("service",)).fault().out("service", 3.0, 3.02, **LATE)
        for at_s in (3.04, 3.08):
            story.event("hiccup", at_s, AGENT, late_ns=late_ms * 10**6)
        story.event("hiccup", 9.0, AGENT, late_ns=40 * 10**6)
        assert suspect(placed(story)).any() == excused

    def test_a_lost_write_is_bad_however_late_its_answer_was(self, analysed: Analysed):
        """A demoted master said OK, late, while the agent stalled. The stall explains the delay and not the loss."""
        late = {"outcome": Outcome.OK, "error": ErrorCode.NONE, "takes_s": 0.15, "node": 0, "lost": True}
        story = Story(paths=("service",)).fault().out("service", 3.0, 4.0, **late)
        story.event("hiccup", 4.2, AGENT, late_ns=1_300_000_000)
        path = analysed(story).paths["service/new"]
        assert [(one.kind, one.widened) for one in path.windows] == [("durable", ())]
        assert path.outage_s is not None
        assert edges(path.outage_s) == pytest.approx((0.98, 1.021), abs=0.01)


class TestAnotherClock:
    """The agent's clock is another one, known to 30 ms: so far every edge is wider, on both sides."""

    def test_every_edge_of_a_window_is_wider_by_its_error_and_no_length(self, tmp_path: Path):
        directory = write_trial(Story(paths=("service",)).fault().out("service", 2.0, 4.0), tmp_path)
        before = paths_in(directory)["service/new"].windows[0]
        changed.by_another_clock(directory, AGENT, 7 * SECOND, 30_000_000)
        after = paths_in(directory)["service/new"].windows[0]
        assert before.end_s is not None
        assert edges(after.onset_s) == pytest.approx(edges(before.onset_s.widened(0.03, 0.03)))
        assert edges(after.end_s) == pytest.approx((before.end_s.least - 0.03, before.end_s.most + 0.03))
        assert edges(after.length_s) == pytest.approx(edges(before.length_s))

    def test_operations_of_a_clock_that_nobody_knows_are_counted(self, tmp_path: Path):
        directory = write_trial(Story(paths=("service", "app")).fault(), tmp_path)

        def moved(header: dict[str, Any], rows: Rows) -> Rows:
            header["boot_id"] = header["boot_id"] if header["clients"][0]["kind"] == "meter" else changed.OTHER_BOOT
            return rows

        changed.each_row(directory, moved)
        history = History.load(directory)
        assert history.ops.unplaced == sum(
            len(file.rows) for file in history.recording.ops if file.header["boot_id"] == changed.OTHER_BOOT
        )

    def test_the_last_operation_is_that_of_any_client(self, placed: Placed):
        story = Story(paths=("service", "app")).fault().out("app", 10.0, 99.0, error=ErrorCode.CLOSED, takes_s=99.0)
        assert placed(story).ops.end_s > 19.9

    def test_what_was_under_way_when_its_client_died_is_unknown(self, analysed: Analysed):
        story = Story(paths=("service",)).fault().out("service", 19.9, 99.0, outcome=Outcome.IN_FLIGHT)
        counts = analysed(story).paths["service/new"].operations
        assert (counts.unknown, counts.sent) == (5, 1300)


def test_widening_moves_both_edges():
    assert Interval(1.0, 2.0).widened(0.5, 0.25) == Interval(0.5, 2.25)
