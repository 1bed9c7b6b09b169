"""MLflow, which no other room of the project knows: the store of runs, charts, the UI's server."""
