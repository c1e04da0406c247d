"""A run on a Ray cluster of two nodes, one of which is lost while episodes are played: `ray_lost_node.py FOLDER`.

It writes the mean reward. Raises SystemExit if the node could not be taken away in time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster
from tau2_core import evaluate

folder = Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
lost = cluster.add_node(num_cpus=2)
ray.init(address=cluster.address, log_to_driver=False)
removed = []


def note(episode: object, *_counts: object) -> None:
    """Take the second node away after the fifth episode."""
    removed.append(episode)
    if len(removed) == 5:
        cluster.remove_node(lost, allow_graceful=False)


run = evaluate(
    "telecom",
    agent="oracle",
    trials=3,
    executor="ray",
    workers=3,
    out=folder,
    name="ray",
    progress=note,
)
if len(removed) < 5:
    raise SystemExit("the run was over before the node was lost")
sys.stdout.write(f"mean reward {run.mean_reward}\n")
ray.shutdown()
cluster.shutdown()
