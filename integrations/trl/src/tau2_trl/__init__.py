"""Train with TRL on the domains of tau2-gym."""

from tau2_trl.spec import Tau2Spec

__all__ = ["Tau2Spec"]
