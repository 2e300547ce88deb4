"""What an application met, beside what the service did."""

from typing import Any

import pytest

from chaos.analysis.wording import longest_call
from chaos.clock import AGENT
from chaos.model import ErrorCode, Outcome
from tests.analysis.conftest import Analysed
from tests.recordings import Story, delete_master, kill_master
from tests.saying import edges


def test_its_longest_blocked_call_and_its_first_good_one(analysed: Analysed):
    app = analysed(kill_master()).paths["app/kept"]
    assert app.application
    assert app.longest_blocked_s == pytest.approx(4.5, abs=0.001)
    assert edges(app.first_good_s) == pytest.approx((51.95, 51.95), abs=0.06)


def test_an_acknowledged_call_that_is_lost_is_not_good(analysed: Analysed):
    app = analysed(delete_master()).paths["app/kept"]
    assert app.first_good_s is not None
    assert app.first_good_s.least > 75


def test_a_call_that_never_returned_is_told_by_its_event(analysed: Analysed):
    story = (
        Story(paths=("service", "app"))
        .fault()
        .event("application.call", 9.0, "agent", client=2, blocked_s=33.0, error="")
    )
    assert analysed(story).paths["app/kept"].longest_blocked_s == pytest.approx(33.0)


def test_one_that_never_succeeded_again_has_no_first_good_call(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().out("app", 0.0, 99.0)
    assert analysed(story).paths["app/kept"].first_good_s is None


def test_one_that_never_succeeded_again_says_what_it_met_last_and_on_which_connection(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().out("app", 0.0, 9.0).out("app", 9.0, 99.0, error=ErrorCode.READONLY)
    story.event("connection.opened", -6.0, AGENT, client=2)
    assert analysed(story).paths["app/kept"].never_again == "readonly, on the connection that it had before the fault"
    story.event("connection.closed", 0.1, AGENT, client=2).event("connection.opened", 8.9, AGENT, client=2)
    assert analysed(story).paths["app/kept"].never_again == "readonly, on the connection that it opened at 8.9 s"
    story.event("connection.closed", 19.0, AGENT, client=2)
    assert analysed(story).paths["app/kept"].never_again == "readonly"


def test_of_two_clients_the_one_that_was_good_again_last_is_told(analysed: Analysed):
    story = Story(paths=("service", "app"), applications=2).fault()
    first, second = (client.number for client in story.clients if client.path == "app")
    story.out("app", 0.0, 3.0, client=first).out("app", 0.0, 8.0, client=second)
    assert edges(analysed(story).paths["app/kept"].first_good_s) == pytest.approx((8.0, 8.0), abs=0.1)


def test_of_two_clients_the_one_that_never_was_good_again_is_told(analysed: Analysed):
    story = Story(paths=("service", "app"), applications=2).fault()
    first, second = (client.number for client in story.clients if client.path == "app")
    story.out("app", 0.0, 3.0, client=first).out("app", 0.0, 99.0, client=second)
    app = analysed(story).paths["app/kept"]
    assert app.first_good_s is None
    assert app.never_again == "refused"


def test_of_two_calls_that_never_ended_the_longer_is_told(analysed: Analysed):
    hangs: dict[str, Any] = {"outcome": Outcome.IN_FLIGHT, "error": ErrorCode.NONE, "takes_s": 99.0}
    story = Story(paths=("service", "app"), applications=2).fault()
    first, second = (client.number for client in story.clients if client.path == "app")
    story.out("app", 4.0, 99.0, client=first, **hangs).out("app", 12.0, 99.0, client=second, **hangs)
    assert analysed(story).paths["app/kept"].longest_blocked_s == pytest.approx(16.0, abs=0.1)


def test_a_good_call_that_took_long_is_trouble_and_its_end_is_the_first_good_one(analysed: Analysed):
    slow: dict[str, Any] = {"outcome": Outcome.OK, "error": ErrorCode.NONE, "takes_s": 4.0, "node": 1}
    story = Story(paths=("service", "app")).fault().out("app", 2.0, 2.04, **slow)
    assert edges(analysed(story).paths["app/kept"].first_good_s) == pytest.approx((2.0, 6.0), abs=0.1)


def test_one_that_succeeded_again_was_not_out_for_good(analysed: Analysed):
    assert analysed(kill_master()).paths["app/kept"].never_again == ""


def test_one_whose_calls_are_acknowledged_and_lost_to_the_end_has_no_good_one(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().acknowledged_then_lost("app", 2.0, 99.0)
    assert analysed(story).paths["app/kept"].first_good_s is None


def test_the_connection_that_is_told_is_its_own(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().out("app", 0.0, 99.0, error=ErrorCode.READONLY)
    story.event("connection.opened", -6.0, AGENT, client=2).event("connection.opened", 9.0, AGENT, client=0)
    assert analysed(story).paths["app/kept"].never_again == "readonly, on the connection that it had before the fault"


# Outages, and a gate.

SHORT: dict[str, Any] = {"paths": ("service", "app"), "back_s": 9.0}
"""Two calls of the application are refused, after 4.5 s each."""


def test_its_outage_lasts_from_its_first_bad_call_until_its_last_has_ended(analysed: Analysed):
    app = analysed(kill_master(**SHORT)).paths["app/kept"]
    assert app.outage_s is not None
    assert edges(app.outage_s) == pytest.approx((9.0, 9.1), abs=0.1)
    assert app.at_end == "works"


def test_a_call_that_blocked_and_was_good_is_an_outage_of_the_application(analysed: Analysed):
    slow = {"outcome": Outcome.OK, "error": ErrorCode.NONE, "takes_s": 4.0, "node": 1}
    app = analysed(Story(paths=("service", "app")).fault().out("app", 0.0, 4.0, **slow)).paths["app/kept"]
    assert app.outage_s is not None
    assert edges(app.outage_s) == pytest.approx((4.0, 4.1), abs=0.1)
    assert app.errors == {}


def test_a_call_that_never_ends_lasts_until_the_end(analysed: Analysed):
    hangs = {"outcome": Outcome.IN_FLIGHT, "error": ErrorCode.NONE, "takes_s": 99.0}
    trial = analysed(kill_master(**SHORT).out("app", 9.0, 99.0, **hangs))
    app = trial.paths["app/kept"]
    assert app.outage_s is not None
    assert app.outage_s.is_open
    assert app.outage_s.least == pytest.approx(47, abs=0.2)  # from the fault to the end of the trial
    assert app.longest_blocked_s == pytest.approx(47 - 9, abs=0.2)
    assert app.calls is not None
    assert app.calls.hung
    assert longest_call(app).startswith(">")
    assert app.at_end == "out"


def test_a_client_whose_process_is_gone_is_out_until_the_end_and_says_why(analysed: Analysed):
    story = Story(paths=("service", "app"), quits_s=8.0).fault()
    number = next(client.number for client in story.clients if client.path == "app")
    silent = analysed(story).paths["app/kept"]
    assert silent.calls is not None
    assert (silent.calls.gone, silent.at_end) == ("", "works")  # it was told to stop, as far as anyone knows
    story.event("gap", 8.0, AGENT, source=f"client {number}, shop:write", text="its process ended by itself")
    gone = analysed(story).paths["app/kept"]
    assert gone.calls is not None
    assert (gone.calls.gone, gone.at_end) == ("its process ended by itself", "out")
    assert gone.outage_s is not None
    assert gone.outage_s.is_open
    assert gone.outage_s.least == pytest.approx(12.0, abs=0.1)


@pytest.mark.parametrize(
    ("out_s", "verdict", "recovery", "at_end"),
    [(0.5, "pass", "pass", "pass"), (17.0, "fail", "fail", "pass"), (99.0, "fail", "fail", "fail")],
)
def test_an_application_that_gates_decides_the_verdict(
    analysed: Analysed, out_s: float, verdict: str, recovery: str, at_end: str
):
    """The service is back within its limit of 15 s, and only the application is not."""
    story = (
        Story(paths=("service", "app"), app={"gate": True}, length_s=40.0)
        .fault()
        .failover(sdown_s=5.0, try_s=5.1, promoted_s=5.3)
    )
    story.out("service", 0.004, 6.0).out("app", 0.004, out_s).labelled(5.9)
    trial = analysed(story)
    targets = trial.paths["app/kept"].targets
    assert set(targets) == {"recovery", "works_at_end"}
    assert (targets["recovery"].verdict, targets["works_at_end"].verdict) == (recovery, at_end)
    assert targets["recovery"].gate
    assert str(trial.verdict) == verdict
    story.app = {"gate": False}
    informing = analysed(story)
    assert informing.paths["app/kept"].targets == {}
    assert str(informing.verdict) == "pass"


# Errors by class, and tasks.


def test_errors_are_counted_by_the_classes_that_the_library_raised(analysed: Analysed):
    story = Story(paths=("service", "app"), app={"settings": {"socket_timeout": None, "retries": "3"}}).fault()
    app = next(client.number for client in story.clients if client.path == "app")
    for at_s, counts in ((1.0, {"TimeoutError": 1}), (2.0, {"TimeoutError": 2, "ReadOnlyError": 5})):
        story.event("application.errors", at_s, AGENT, client=app, counts=counts)
    story.event("application.errors", 3.0, AGENT, client=app + 7, counts={"OtherError": 9})
    calls = analysed(story).paths["app/kept"].calls
    assert calls is not None
    assert calls.classes == {"ReadOnlyError": 5, "TimeoutError": 2}
    assert [name for name, value in calls.settings.items() if value is None] == ["socket_timeout"]


def tasks(story: Story, states: dict[int, str], looked: bool = True) -> Story:
    """What became of the first tasks, all at their calls; those that are not named were done once, in their turn."""
    app = next(client.number for client in story.clients if client.path == "app")
    story.app = {"audited": False}
    load = story.load(next(client for client in story.clients if client.number == app))
    for seq, sent_s in enumerate(load.sent_s().tolist()):
        for letter in states.get(seq, "bd"):
            state = {"b": "begun", "d": "done", "w": "waiting"}[letter]
            at_s = story.length_s if state == "waiting" else sent_s
            story.event("application.task", at_s, AGENT, client=app, task=seq, state=state)
    if looked:
        story.event("application.task", story.length_s, AGENT, client=app, task=-1, state="looked")
    return story


def test_tasks_are_lost_stuck_and_done_twice(analysed: Analysed):
    story = Story(paths=("service", "app")).fault()
    found = analysed(tasks(story, {3: "", 4: "bdbd", 5: "b", 6: "w", 7: ""})).paths["app/kept"].calls
    assert found is not None
    assert found.tasks is not None
    assert (found.tasks.lost, found.tasks.twice, found.tasks.stuck) == (2, 1, 2)
    assert found.tasks.accepted == found.tasks.done + 4
    assert 0 < found.tasks.after < found.tasks.accepted


def test_without_a_broker_that_could_be_asked_lost_and_stuck_cannot_be_told_apart(analysed: Analysed):
    found = analysed(tasks(Story(paths=("service", "app")).fault(), {3: "", 6: "w"}, looked=False)).paths["app/kept"]
    assert found.calls is not None
    assert found.calls.tasks is not None
    assert (found.calls.tasks.lost, found.calls.tasks.stuck) == (None, 2)


@pytest.mark.parametrize("until", [240, 9999])
def test_the_worker_is_back_with_its_first_task_after_its_longest_pause(analysed: Analysed, until: int):
    """It is handed 20 tasks a second from 6 s before the fault on; those from number 130 until `until` are not done."""
    story = Story(paths=("service", "app")).fault()
    found = analysed(tasks(story, dict.fromkeys(range(130, until), "w"))).paths["app/kept"].calls
    assert found is not None
    assert found.tasks is not None
    assert found.tasks.back_s is not None
    assert found.tasks.out_s is not None
    if until == 240:
        assert found.tasks.back_s.middle == pytest.approx(6.0, abs=0.1)
        assert found.tasks.out_s.middle == pytest.approx(5.55, abs=0.1)
    else:
        assert found.tasks.back_s.is_open


def test_tasks_are_no_keys_and_so_no_losses_of_redis(analysed: Analysed):
    told = tasks(Story(paths=("service", "app")).fault(), {}).acknowledged_then_lost("app", 2.0, 4.0)
    trial = analysed(told)
    assert trial.losses.undecided == ""
    assert trial.losses.lost is not None
    assert edges(trial.losses.lost) == (0, 0)
