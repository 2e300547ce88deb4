"""The operations as Parquet."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from chaos.record.parquet import export
from tests.recordings import Story, write_trial


def test_every_operation_is_there_with_words_for_its_codes(tmp_path: Path):
    trial = write_trial(Story(length_s=5.0).out("service", 1.0, 2.0), tmp_path)
    table = pq.read_table(export(trial))
    assert Counter(table["outcome"].to_pylist()) == {"ok": 2100, "failed": 100}
    assert Counter(table["error"].to_pylist()) == {"none": 2100, "refused": 100}
    assert Counter(table["client"].to_pylist()) == dict.fromkeys(range(4), 550)
    assert set(table["domain"].to_pylist()) == {"agent"}
    assert min(table["due_us"].to_pylist()) == 0


def test_they_are_by_client_in_the_order_of_sending(tmp_path: Path):
    table = pq.read_table(export(write_trial(Story(length_s=5.0), tmp_path)))
    order = list(zip(table["client"].to_pylist(), table["seq"].to_pylist(), strict=True))
    assert order == sorted(order)


def test_a_trial_without_operations_is_a_table_without_rows(tmp_path: Path):
    trial = tmp_path / "trial-000"
    trial.mkdir()
    assert pq.read_table(export(trial)).num_rows == 0
