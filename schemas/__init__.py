"""What documents have to look like: the CAP XSDs, OpenAPI, the configuration.

Data only, read by importlib.resources.
"""
