"""The review of the simulated customer: detectors of its faults, each a function of the record and its task."""
