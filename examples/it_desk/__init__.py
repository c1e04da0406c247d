"""An IT help desk as a tau2-gym domain."""
