"""Models of time series: past values in, the next values out."""
