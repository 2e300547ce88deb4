"""What is built is whole: the wheel, used far from the checkout, finds its scenarios, experiments and templates."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel's files where they hide the checkout's: a wheel of pure Python is an archive of what is installed."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        wheel.extractall(out / "site")
    return Path(out / "site")


@pytest.fixture
def run(installed, tmp_path):
    """Run Python in an empty folder with the wheel before everything else."""

    def python(*arguments):
        env = {**os.environ, "PYTHONPATH": str(installed), "BROWSER": "true"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    return python


def test_the_wheel_is_what_is_used(run, installed):
    assert run("-c", "import chaos; print(chaos.__file__)").stdout.startswith(str(installed))


def test_python_m_chaos_says_its_help(run):
    done = run("-m", "chaos", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "doctor" in done.stdout


def test_the_shipped_scenario_loads_with_its_manifests(run):
    code = "from chaos.scenario import load; loaded = load('redis-operator'); print(loaded.folder)"
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert list(Path(done.stdout.strip()).rglob("*.yaml"))


def test_every_experiment_of_the_checkout_is_found(run):
    done = run("-c", "from chaos.scenario.lookup import experiments; print(*experiments())")
    assert set(done.stdout.split()) == {path.stem for path in (ROOT / "experiments").glob("*.yaml")}


def test_every_file_beside_the_code_is_in_the_wheel(installed):
    beside = [path for path in (ROOT / "chaos").rglob("*") if path.suffix in {".j2", ".html", ".css", ".svg", ".typed"}]
    assert [path for path in beside if not (installed / path.relative_to(ROOT)).is_file()] == []


def test_the_sample_report_can_be_opened(run):
    """Headless there is no browser to open it, but the page is named, and it is there."""
    done = run("-m", "chaos", "report", "--sample")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()


def test_a_bad_option_is_exit_code_2_there_too(run):
    done = run("-m", "chaos", "run", "redis-operater")
    assert done.returncode == 2
    assert "did you mean redis-operator?" in done.stderr


def test_the_pytest_plugin_is_registered(run):
    done = run("-m", "pytest", "--help")
    assert "--experiment" in done.stdout
