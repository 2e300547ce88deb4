import time

from chaos.analysis.logs import parse
from chaos.cluster.local.pod import Log


def test_each_line_is_stamped_so_that_the_analysis_places_it(tmp_path):
    log = Log(tmp_path / "logs" / "one.log")
    before_ns = time.time_ns()
    log.write(b"moving on")
    log.close()
    line = parse((tmp_path / "logs" / "one.log").read_text().rstrip("\n"), "redis-0")
    assert line is not None
    assert line.message == "moving on"
    assert before_ns <= line.wall_ns[0] <= time.time_ns()


def test_a_log_goes_on_in_its_file(tmp_path):
    for text in (b"one", b"two"):
        log = Log(tmp_path / "one.log", stamped=False)
        log.write(text)
        log.close()
    assert (tmp_path / "one.log").read_text() == "one\ntwo\n"


def test_nothing_said_is_no_file(tmp_path):
    Log(tmp_path / "one.log").close()
    assert list(tmp_path.iterdir()) == []
