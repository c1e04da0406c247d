"""The domains of tau2-gym for verifiers, which loads this package by its id: `vf-eval tau2-gym-verifiers`."""

from tau2_core.errors import MissingExtraError

try:
    import verifiers.v1 as _verifiers  # noqa: F401
except ImportError as error:
    raise MissingExtraError("its tasks", "verifiers 0.4 or newer", "", "tau2-gym-verifiers") from error

from tau2_gym_verifiers.environment import Tau2Env
from tau2_gym_verifiers.taskset import Tau2Taskset

__all__ = ["Tau2Env", "Tau2Taskset"]
