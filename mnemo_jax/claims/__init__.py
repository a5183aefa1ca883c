"""Claims: sentences tested by experiments, their verdicts computed from intervals and thresholds fixed beforehand."""
