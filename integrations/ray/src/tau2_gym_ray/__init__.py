"""An executor that plays runs of tau2-gym on a Ray cluster."""
