"""Tracking with MLflow, which nothing else imports: the store of runs, the charts and the UI."""
