"""Run with Harbor installed: read each file named on the command line with its models, and print the numbers read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harbor.models.trajectories import Trajectory

counts = []
for name in sys.argv[1:]:
    lines = Path(name).read_text(encoding="utf-8").splitlines()
    read = [Trajectory.model_validate_json(line) for line in lines]
    assert [each.to_json_dict() for each in read] == [json.loads(line) for line in lines], name
    counts.append(len(read))
sys.stdout.write(json.dumps(counts))
