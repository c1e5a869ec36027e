"""The schemas that the gateway checks against and publishes: CAP XSDs, OpenAPI, configuration. Data only, read by importlib.resources."""
