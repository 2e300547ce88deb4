"""The operations as Parquet."""

from pathlib import Path

import pandas as pd

from chaos.record.parquet import export
from tests.recordings import Story, write_trial


def test_every_operation_is_there_with_words_for_its_codes(tmp_path: Path):
    trial = write_trial(Story(length_s=5.0).out("service", 1.0, 2.0), tmp_path)
    frame = pd.read_parquet(export(trial))
    assert len(frame) == 4 * 550
    assert frame["outcome"].value_counts().to_dict() == {"ok": 2100, "failed": 100}
    assert frame["error"].value_counts().to_dict() == {"none": 2100, "refused": 100}
    assert frame["due_us"].min() == 0
