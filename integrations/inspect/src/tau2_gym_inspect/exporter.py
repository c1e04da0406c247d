"""`tau2-gym export RUN out.eval`: a run as a log of Inspect, written one sample at a time.

A log is a zip of JSON files: the header, a file for each sample, and their summaries. The files are made from Inspect's
own models. Inspect's own writer would hold all samples in memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from pydantic import BaseModel
from tau2_core import Export, RunError, UsageError

from tau2_gym_inspect.log_header import Totals, header
from tau2_gym_inspect.log_samples import Samples

ENDING = ".eval"


def write(export: Export, out: Path) -> int:
    """Write a run as a log; return the number of its samples. Raises UsageError, RunError if it cannot be written."""
    if export.run is None:
        raise UsageError("--to inspect is for runs; Inspect plays tasks itself: `inspect eval tau2_gym/DOMAIN`")
    if out.suffix != ENDING:
        raise UsageError(f"{out}: Inspect finds logs by their ending; name a file that ends in {ENDING}")
    samples, totals = Samples(export, export.run), Totals()
    try:
        with ZipFile(out, "x", ZIP_DEFLATED) as log:
            try:
                summaries = []
                for episode in export.run.episodes:
                    sample = samples.of(episode)
                    totals.add(episode, sample)
                    log.writestr(f"samples/{sample.id}_epoch_{sample.epoch}.json", _json(sample))
                    summaries.append(sample.summary().model_dump(mode="json", exclude_none=True))
                log.writestr("summaries.json", json.dumps(summaries))
                head = header(export, export.run, totals)
                start = head.model_dump(mode="json", include={"version", "eval", "plan"}, exclude_none=True)
                log.writestr("_journal/start.json", json.dumps(start))
                log.writestr("header.json", _json(head))
            except BaseException:
                out.unlink()
                raise
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}; choose another place") from error
    return len(summaries)


def _json(part: BaseModel) -> str:
    """Return JSON in ASCII, which also holds texts that are not valid Unicode."""
    return json.dumps(part.model_dump(mode="json", exclude_none=True))
