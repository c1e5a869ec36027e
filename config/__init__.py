"""What an operator starts from: gateway.toml, Prometheus, Grafana and systemd files.

Data only, read by importlib.resources.
"""
