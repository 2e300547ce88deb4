"""The command line: its options, its exit codes, and that nothing but a sentence reaches the user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.analysis.result import Verdict
from chaos.cli import cli, entry, newest
from chaos.errors import EXIT_CODES, FaultError, NoCampaignError, ScenarioError, SetupError
from tests.recordings import kill_master, no_fault, write_campaign

ROOT = Path(__file__).parent.parent
HEAVY = ("numpy", "matplotlib", "pyarrow", "kubernetes")


@pytest.fixture
def raising():
    """A command that raises what it is given, as every part below may."""

    def register(problem):
        @cli.command("raising")
        def command() -> int:
            raise problem

        return ["raising"]

    yield register
    del cli.commands["raising"]


def test_every_verb_says_what_it_does(capsys):
    for verb in ("run", "analyse", "report", "check", "doctor"):
        assert entry([verb, "--help"]) == 0
        assert "Usage: failover " + verb in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["run", "nix"], ["run", "--help"], ["check", "reports/sample"]])
def test_a_short_answer_loads_nothing_that_takes_long(arguments):
    program = f"from chaos.cli import entry; import sys; entry({arguments}); "
    program += f"print('loaded', *[one for one in {HEAVY} if one in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "loaded"


def test_a_verdict_has_an_exit_code_of_its_own():
    assert {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 5} == EXIT_CODES


@pytest.mark.parametrize(
    ("problem", "code"), [(ScenarioError("so"), 2), (SetupError("so"), 3), (FaultError("so"), 4)], ids=repr
)
def test_an_error_of_the_harness_is_a_sentence_and_its_exit_code(raising, capsys, problem, code):
    assert entry(raising(problem)) == code
    assert capsys.readouterr() == ("", "error: so\n")


def test_a_mistake_of_ours_is_said_to_be_one(raising, capsys):
    assert entry(raising(ZeroDivisionError("oops"))) == 4
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1] == "error: a mistake in failover itself, not in your system: ZeroDivisionError('oops')"


def test_an_interrupt_is_said_in_a_word(raising, capsys):
    assert entry(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.strip() == "error: interrupted"


@pytest.mark.parametrize(
    "arguments",
    ["rn", "run --trails 3", "run --trials 0", "run --on moon", "run --set x", "run a --scenario b", "check"],
)
def test_a_wrong_option_is_exit_code_2(arguments, capsys):
    assert entry(arguments.split()) == 2
    assert "error: " in capsys.readouterr().err.lower()


@pytest.mark.parametrize("given", [["nix"], ["--experiment", "kil-master"], ["--set", "limits.wacth=5s"]])
def test_what_nobody_knows_is_exit_code_2_before_anything_is_started(given, tmp_path, capsys):
    assert entry(["run", *given, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_an_unknown_experiment_is_told_the_nearest_one(tmp_path, capsys):
    entry(["run", "--experiment", "kil-master", "--out", str(tmp_path)])
    assert "did you mean kill-master?" in capsys.readouterr().err


def test_without_a_container_engine_a_run_is_exit_code_3_and_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert entry(["run", "--on", "kind", "--out", str(tmp_path)]) == 3
    assert "https://docs.docker.com/engine/install/" in capsys.readouterr().err


WITH_A_DIRECTORY = ("analyse", "check", "report", "compare", "history", "sweep --again", "run --resume")


@pytest.mark.parametrize("command", WITH_A_DIRECTORY)
def test_a_wrong_directory_is_exit_code_2_whoever_is_given_it(tmp_path, capsys, command):
    def said_of(place: Path) -> str:
        more = [str(place)] if command == "compare" else []
        assert entry([*command.split(), str(place), *more]) == 2
        return str(capsys.readouterr().err)

    said = said_of(tmp_path / "nowhere")
    assert "nowhere is not there" in said
    assert "failover analyse" not in said, "that would not help"
    assert "holds no campaign: there is no campaign.json in it" in said_of(tmp_path)
    (tmp_path / "file").write_text("")
    assert "file is a file" in said_of(tmp_path / "file")


@pytest.mark.parametrize("command", ["check", "report", "compare", "history"])
def test_a_campaign_that_was_not_analysed_is_told_so(tmp_path, capsys, command):
    write_campaign(tmp_path / "2026-11-26T1823-x", [])
    assert entry([command, str(tmp_path), *([str(tmp_path)] if command == "compare" else [])]) == 2
    assert f"`failover analyse {tmp_path / '2026-11-26T1823-x'}` makes it" in capsys.readouterr().err


@pytest.fixture(scope="module")
def campaigns(tmp_path_factory):
    """A folder of campaigns that passed, failed, and do not know: that one was cut off in the middle."""
    stories = {"passed": no_fault(), "failed": kill_master(), "cut-off": kill_master(closed=None)}
    folder = tmp_path_factory.mktemp("campaigns")
    for name, story in stories.items():
        assert entry(["analyse", str(write_campaign(folder / name, [story]))]) in set(EXIT_CODES.values())
    return folder


@pytest.mark.parametrize(
    ("name", "require", "code"),
    [
        ("passed", "pass", 0),
        ("passed", "conclusive", 0),
        ("failed", "pass", 1),
        ("failed", "conclusive", 0),
        ("cut-off", "pass", 5),
        ("cut-off", "conclusive", 5),
    ],
)
def test_check_says_by_its_exit_code_what_a_machine_asks(campaigns, name, require, code):
    assert entry(["check", str(campaigns / name), "--require", require]) == code


def test_analysing_again_gives_the_same_bytes(campaigns):
    derived = {path: path.read_bytes() for path in (campaigns / "failed").iterdir() if path.is_file()}
    assert {"report.html", "summary.json", "summary.md", "junit.xml"} <= {path.name for path in derived}
    for path in derived:
        if path.name != "campaign.json":
            path.unlink()
    assert entry(["analyse", str(campaigns / "failed")]) == 1
    assert {path: path.read_bytes() for path in (campaigns / "failed").iterdir() if path.is_file()} == derived


def test_in_a_narrow_terminal_every_command_is_told_in_whole(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert entry(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(cli.commands)
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize(("verb", "played"), [("ab", "kill-master"), ("sweep", "kill-master, and four pauses")])
def test_a_command_of_variants_tells_its_own_defaults_and_no_option_of_a_cluster(verb, played, capsys):
    assert entry([verb, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for default in ("local", "operator-model", played, "20"):
        assert f"[default: {default}]" in said
    assert "--keep" not in said
    assert "--agent-image" not in said


def test_the_newest_report_is_the_one_whose_name_is_the_latest_time(tmp_path):
    for name in ("2026-11-22T0912-a", "2026-11-23T0912-a", "sample"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").touch()
    (tmp_path / "2026-11-24T0912-a").mkdir()  # without a report, as while it is played
    assert newest(tmp_path, "report.html").name == "2026-11-23T0912-a"
    assert newest(tmp_path / "2026-11-22T0912-a", "report.html").name == "2026-11-22T0912-a"


def test_where_there_is_no_report_the_commands_that_give_one_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoCampaignError, match="failover run"):
        newest(Path("reports"), "report.html")


def test_report_prints_the_page_and_opens_it(tmp_path):
    page = tmp_path / "reports" / "2026-11-23T0912-a" / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "chaos", "report"]
    env = {**os.environ, "BROWSER": f"{browser} %s", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"{page.relative_to(tmp_path)}\n"
    assert opened.read_text().strip() == page.as_uri()


def test_a_recording_of_an_older_version_is_refused_with_what_to_do(tmp_path, capsys):
    (tmp_path / "trial-000").mkdir()
    (tmp_path / "campaign.json").write_text('{"format": 1}')
    assert entry(["analyse", str(tmp_path)]) == 4
    said = capsys.readouterr().err
    assert "was recorded in format 1, and this version reads format 2 only" in said
    assert "play it again" in said


def test_without_pyarrow_parquet_says_what_brings_it(tmp_path, capsys, monkeypatch):
    (tmp_path / "trial-000").mkdir()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert entry(["analyse", str(tmp_path), "--parquet"]) == 3
    assert "pip install 'failover-harness[parquet]'" in capsys.readouterr().err
