"""Metrics, baselines, model selection, and the statistics behind them."""
