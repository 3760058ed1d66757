"""The plugins for Grafana in a browser, against the real API on a real broker."""
